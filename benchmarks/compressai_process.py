"""One `encode` or `decode` of a photo by CompressAI's bmshj2018-hyperprior, as a whole process.

Started by `benchmarks.startup` with the Python of an environment that has CompressAI; imports nothing of lcodec. The
weights are random (no download): the networks do the same work as trained ones, while the few bits of such a stream
make the entropy coder's part a little too easy, in CompressAI's favour.
"""

import contextlib
import struct
import sys
from pathlib import Path


def declare_operators() -> object:
    """Let CompressAI be imported; what this returns must be kept for as long.

    CompressAI imports torchvision, whose wheel for CUDA has no operators beside a CPU build of torch, and then fails to
    register their shapes. It uses none of them. Where torchvision is whole, they exist already.
    """
    import torch

    operators = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        with contextlib.suppress(RuntimeError):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return operators


def main() -> None:
    """Run `compressai_process.py encode PHOTO STREAM` or `compressai_process.py decode STREAM PHOTO`."""
    direction, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    import numpy as np
    import torch
    from PIL import Image

    kept = declare_operators()  # noqa: F841
    from compressai.zoo import bmshj2018_hyperprior

    torch.manual_seed(0)
    model = bmshj2018_hyperprior(quality=3, pretrained=False).eval()
    model.update()
    with torch.no_grad():
        if direction == "encode":
            pixels = np.array(Image.open(source).convert("RGB"))  # (H, W, 3)
            x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W), multiples of 64
            coded = model.compress(x)
            streams = [part[0] for part in coded["strings"]]
            sizes = struct.pack("<4I", *coded["shape"], *map(len, streams))
            target.write_bytes(sizes + b"".join(streams))
        else:
            data = source.read_bytes()
            height, width, latents, _ = struct.unpack_from("<4I", data)
            body = data[struct.calcsize("<4I") :]
            decoded = model.decompress([[body[:latents]], [body[latents:]]], (height, width))["x_hat"]
            samples = (decoded[0].permute(1, 2, 0) * 255).round().to(torch.uint8)  # (H, W, 3)
            Image.fromarray(samples.numpy()).save(target, compress_level=3)


if __name__ == "__main__":
    main()
