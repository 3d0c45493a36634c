"""How lcodec stands beside other codecs on a user's pictures: `lcodec eval`, and the delta rate between two curves."""

from lcodec.compare.bd_rate import BdRate, bd_rate

__all__ = ["BdRate", "bd_rate"]
