"""Settings of the whole test run."""

import os

# Before NumPy is imported: on the small arrays of the tests, threads that wait for each other cost more than they do.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
