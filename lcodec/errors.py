"""What can go wrong, as one tree; the command line turns each into one line on stderr and its exit code.

LcodecError                     1  an input failed
+-- PictureError                1  a picture cannot be read, or holds what lcodec does not keep
+-- UsageError                  2  the request makes no sense
+-- DamagedError                3  not an lcodec file, damaged or truncated
+-- ModelError                  4  the model named in the file is missing or differs
+-- LimitError                  5  a limit or target is out of reach
+-- SelfTestError               6  this machine's arithmetic failed the known-answer test
"""

from __future__ import annotations

__all__ = ["DamagedError", "LcodecError", "LimitError", "ModelError", "PictureError", "SelfTestError", "UsageError"]


class LcodecError(Exception):
    """Any error that lcodec reports on purpose. The message is one line, for the user."""

    exit_code = 1


class PictureError(LcodecError):
    """A picture file cannot be read, or holds what lcodec does not keep."""


class UsageError(LcodecError):
    """The request makes no sense: an option out of range, an output that exists."""

    exit_code = 2


class DamagedError(LcodecError):
    """The bytes are not an lcodec file, or it is damaged or truncated."""

    exit_code = 3


class ModelError(LcodecError):
    """The model named in a file is not at hand, or a model file is not what it says."""

    exit_code = 4


class LimitError(LcodecError):
    """A limit (size of a picture) or a target cannot be kept."""

    exit_code = 5


class SelfTestError(LcodecError):
    """The known-answer test of the exact arithmetic failed on this device."""

    exit_code = 6
