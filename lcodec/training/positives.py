"""Two views of one thing, from which a metric learns what does not matter: frames of a clip, or a photo changed twice.

Of a single photo both views are made: warped smoothly against each other, as by the motion of a hand or of a leaf, of
slightly different size, direction and exposure, each with a sensor's noise. Nothing is blurred or coded, which a metric
must see: both views are interpolated in the same way, each by half of the motion.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["views"]

#: Most pixels that a place moves, least and most over crops.
MOTION_PX = 1.0, 3.0
#: Places along each side of a crop that move independently.
_GRID = 4
#: Most change of size (a share), of direction (radians) and of exposure (a share).
SCALE, ROTATION, GAIN = 0.02, math.radians(1.5), 0.03
#: Largest standard deviation of noise on white, in 0..1; in the dark a half of it.
NOISE = 3 / 255


def views(crops: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs of pictures that show the same.

    Args:
        crops: (N, H, H, 6) uint8: two frames. Where they are equal it is a single photo, of which views are made.
        noise: all randomness.

    Returns:
        (N, H, H, 3) twice, float32, 0..1.
    """
    first, second = (crops.float() / 255).permute(0, 3, 1, 2).chunk(2, dim=1)
    single = (first == second).flatten(1).all(dim=1)[:, None, None, None]
    count, side = len(first), first.shape[-1]

    def uniform(least: float, most: float, *shape: int) -> Tensor:
        shape = shape or (1, 1, 1)
        return least + (most - least) * torch.rand((count, *shape), generator=noise, device=crops.device)

    def noisy(picture: Tensor) -> Tensor:
        grain = torch.randn(picture.shape, generator=noise, device=crops.device)
        return (picture + level * (0.25 + 0.75 * picture).sqrt() * grain).clamp(0, 1)

    smooth = F.interpolate(uniform(-1, 1, 2, _GRID, _GRID), (side, side), mode="bicubic", align_corners=True)
    along = torch.arange(side, device=crops.device) - (side - 1) / 2
    x, y = along.expand(side, side), along[:, None].expand(side, side)
    larger, turned = uniform(-SCALE, SCALE, 1, 1), uniform(-ROTATION, ROTATION, 1, 1)
    motion = uniform(*MOTION_PX) * smooth + torch.stack((larger * x - turned * y, larger * y + turned * x), dim=1)
    at, half = torch.stack((x, y))[None], motion / 2
    level = uniform(0, NOISE)
    one = noisy(_sample(first, at + half))
    other = noisy(_sample(first, at - half) * (1 + uniform(-GAIN, GAIN)))
    pair = torch.where(single, one, first), torch.where(single, other, second)
    return pair[0].permute(0, 2, 3, 1), pair[1].permute(0, 2, 3, 1)


def _sample(pictures: Tensor, at: Tensor) -> Tensor:
    """Pictures (N, C, H, H) at places (N, 2, H, H), x and y in pixels from the middle; mirrored beyond the edges.

    Clipped to 0..1: beside edges of black and white, cubics go far enough below 0 for noise to have no root.
    """
    grid = (at * 2 / pictures.shape[-1]).permute(0, 2, 3, 1)
    return F.grid_sample(pictures, grid, mode="bicubic", padding_mode="reflection", align_corners=False).clamp(0, 1)
