"""Colours that a file describes otherwise than by an ICC profile, turned into one.

PNG says them by gAMA, cHRM and cICP, AVIF and HEIC by nclx, BMP by its V4 header, TIFF by tags of its own. Where they
come to sRGB, no profile is needed; where a matrix and a curve say the same, one is made, of about 450 bytes
(ICC.1:2010, version 4); the rest gets a note.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["SRGB", "Curve", "Primaries", "from_h273", "profile_of"]

#: From samples to linear light, both 0..1: that of sRGB, a power, or a table of 0..65535.
Curve = Literal["srgb"] | float | tuple[int, ...]
#: (x, y) of red, green, blue and white.
Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]

_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
SRGB: Primaries = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
#: Codes of ITU-T H.273, tables 2 and 3.
_PRIMARIES: dict[int, tuple[str, Primaries]] = {
    1: ("BT.709", SRGB),
    4: ("BT.470 M", ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C)),
    5: ("BT.601, 625 lines", ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65)),
    6: ("BT.601, 525 lines", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    7: ("SMPTE 240", ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)),
    8: ("film", ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C)),
    9: ("BT.2020", ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65)),
    11: ("DCI-P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351))),
    12: ("Display P3", ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65)),
    22: ("EBU 3213", ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65)),
}
#: The curves of cameras (1, 6, 14, 15) are shown by everyone as sRGB's.
_CURVES: dict[int, Curve] = {
    1: "srgb",
    2: "srgb",
    4: 2.2,
    5: 2.8,
    6: "srgb",
    8: 1.0,
    13: "srgb",
    14: "srgb",
    15: "srgb",
}
_HDR = {16: "PQ", 18: "HLG"}
_UNSPECIFIED = 2

#: Chromaticities this close are the same: files round them, and differ in the last digit of D65.
_SAME = 0.002
#: As libpng has it (PNG_GAMMA_THRESHOLD): sRGB's curve is close to the power 2.2.
_SAME_POWER = 0.05
#: White of the space to which profiles lead.
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def from_h273(primaries: int, transfer: int, *, grey: bool) -> tuple[bytes | None, str]:
    """Turn codes of H.273, which cICP and nclx hold, into a profile.

    Returns:
        The profile, or None where none is needed, or none would do; and a note on what is lost, empty where nothing is.
    """
    if transfer in _HDR:
        name, _ = _PRIMARIES.get(primaries, (f"primaries {primaries}", SRGB))
        return None, f"HDR left out: the {_HDR[transfer]} curve with {name}, without which colours look dull and pale"
    known = {_UNSPECIFIED: SRGB} | {code: value for code, (_, value) in _PRIMARIES.items()}
    if transfer not in _CURVES or (primaries not in known and not grey):
        return None, f"colours left out: primaries {primaries} with transfer {transfer} of H.273, shown as sRGB"
    return profile_of(known.get(primaries, SRGB), _CURVES[transfer], grey=grey), ""


def profile_of(primaries: Primaries, curve: Curve | list[Curve], *, grey: bool) -> bytes | None:
    """Return an ICC profile of version 4: a matrix and a curve, or one curve for each channel. None where it is sRGB.

    Raises ValueError for primaries that span no colours, and for powers that are none.
    """
    curves = curve if isinstance(curve, list) else [curve] * 3
    if all(_is_srgb(one) for one in curves) and (grey or _close(primaries, SRGB)):
        return None
    bodies = {
        b"desc": _text("Grey" if grey else "RGB"),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(_D50),
    }
    if grey:
        bodies[b"kTRC"] = _curve(curves[0])
    else:
        matrix, adaptation = _matrix(primaries)
        bodies[b"chad"] = b"sf32\0\0\0\0" + _fixed(adaptation.ravel())
        for channel, (name, one) in enumerate(zip(b"rgb", curves, strict=True)):
            bodies[bytes((name,)) + b"XYZ"] = _xyz(matrix[:, channel])
            bodies[bytes((name,)) + b"TRC"] = _curve(one)
    return _packed(bodies, b"GRAY" if grey else b"RGB ")


def _is_srgb(curve: Curve) -> bool:
    return curve == "srgb" or (isinstance(curve, float | int) and abs(curve / 2.2 - 1) < _SAME_POWER)


def _close(one: Primaries, other: Primaries) -> bool:
    return bool(np.abs(np.array(one) - np.array(other)).max() <= _SAME)


def _matrix(primaries: Primaries) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix from linear RGB to XYZ under D50, and the adaptation in it (Bradford)."""
    columns = np.array([(x, y, 1 - x - y) for x, y in primaries]).T
    rgb, white = columns[:, :3], columns[:, 3]
    if white[1] < 0.01 or abs(np.linalg.det(rgb)) < 1e-4:
        raise ValueError("these primaries span no colours")
    white = white / white[1]
    adaptation = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    matrix = adaptation @ (rgb * np.linalg.solve(rgb, white))
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 4 or (np.linalg.solve(rgb, white) <= 0).any():
        raise ValueError("these primaries span no colours")
    return matrix, adaptation


def _fixed(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    """Numbers of 16.16 bits."""
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _text(text: str) -> bytes:
    body = text.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(body), 28) + body


def _curve(curve: Curve) -> bytes:
    if curve == "srgb":
        return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _fixed((2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    if isinstance(curve, tuple):
        return b"curv\0\0\0\0" + struct.pack(f">I{len(curve)}H", len(curve), *curve)
    power = float(curve)
    if not 0.1 <= power <= 10:
        raise ValueError(f"{power:g} is not the power of a display")
    return b"para\0\0\0\0" + struct.pack(">HH", 0, 0) + _fixed((power,))


def _packed(bodies: dict[bytes, bytes], space: bytes) -> bytes:
    """Put the elements of a profile behind its header and the table of them; equal ones once."""
    content = b""
    start = 128 + 4 + 12 * len(bodies)
    places: dict[bytes, int] = {}
    table = struct.pack(">I", len(bodies))
    for name, body in bodies.items():
        if body not in places:
            places[body] = start + len(content)
            content += body + bytes(-len(body) % 4)
        table += name + struct.pack(">II", places[body], len(body))
    size = start + len(content)
    header = struct.pack(">I4xI4s4s4s12x4s", size, 0x04200000, b"mntr", space, b"XYZ ", b"acsp")
    header = header.ljust(68, b"\0") + _fixed(_D50)
    return header.ljust(128, b"\0") + table + content
