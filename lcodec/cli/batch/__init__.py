"""Many inputs: what `encode` and `decode` share.

names -> files, folders (jobs) -> run (gives work out, reports) -> work (one job) -> coding (bytes) -> record
"""
