"""Settings of the whole test run."""

import os
import signal

from hypothesis import settings

#: Folders of models and of Kodak's photos: everything else that a user sets is a default of an option.
_KEPT = {"LCODEC_MODELS", "LCODEC_KODAK"}

# Before NumPy is imported: on the small arrays of the tests, threads that wait for each other cost more than they do.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Training takes all cores whatever these say; where other work takes them too, threads that spin would wait for long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

for name in [name for name in os.environ if name.startswith("LCODEC_") and name not in _KEPT]:
    del os.environ[name]  # a user's defaults are none of a test's

# A shell's background jobs ignore Ctrl-C, and so would the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Examples may take as long as they take: a busy machine is no failure.
settings.register_profile("lcodec", deadline=None)
settings.load_profile("lcodec")
