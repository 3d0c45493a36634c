"""The networks, written once as functions over a small set of operations.

`ops` (NumPy, float32) and `ops_torch` (training and GPU) provide the operations in floating point;
`lcodec.entropy.integer` provides them in exact fixed point. Arrays are channels-last: (N, H, W, C).
"""
