"""How lcodec stands beside other codecs: their curves as data, and the delta rate between two curves."""

from lcodec.compare.bd_rate import BdRate, bd_rate
from lcodec.compare.rivals import Curve, Metric, names, rival

__all__ = ["BdRate", "Curve", "Metric", "bd_rate", "names", "rival"]
