"""What lcodec can do only where more is installed: the extras of its distribution, and how to ask for one in a line."""

from __future__ import annotations

from importlib.util import find_spec

from lcodec.errors import UsageError

__all__ = ["has", "require"]

#: Module -> the extra that installs it.
_EXTRAS = {"torch": "torch", "distributed": "dask"}


def has(module: str) -> bool:
    """Whether a module is installed; it is not imported, which may take a second."""
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def require(module: str, what: str) -> None:
    """Refuse `what`, in the user's words, where a module that it needs is not installed.

    Raises:
        UsageError: it is not; the message says what to install.
    """
    if not has(module):
        raise UsageError(f"{what} needs {module}: pip install 'lcodec[{_EXTRAS[module]}]'")
