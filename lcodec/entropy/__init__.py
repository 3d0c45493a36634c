"""Exact entropy coding: everything that the range coder depends on is integer arithmetic, the same on every machine.

tables (frequencies, powers of two) -> integer (networks in fixed point) -> coder -> model (the order of coding)
"""
