"""What is said of a file that was encoded or decoded: a line for people, a record for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lcodec.cli.batch.files import Job
from lcodec.cli.console import human_size
from lcodec.legible import legible

if TYPE_CHECKING:
    from lcodec.container import Header
    from lcodec.targets import Found

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """What is said of a file that was encoded or decoded."""

    header: Header
    model: str
    output_bytes: int
    seconds: float
    notes: Sequence[str] = ()  #: what was not kept as it was
    found: Found | None = None  #: how a target was met

    def line(self, job: Job) -> str:
        """One line for people."""
        header = self.header
        met = f"  {_met(self.found)}" if self.found else ""
        size, bpp = human_size(header.total), header.total * 8 / (header.width * header.height)
        names = legible(f"{job.source_name} -> {job.target_name}")
        return (
            f"{names}  {header.width}x{header.height}  {size}  {bpp:.3f} bpp  "
            f"q{header.quality_step / 100:g} {self.model}  {self.seconds:.2f} s{met}"
        )

    def record(self, job: Job) -> dict[str, Any]:
        """Return the same for programs; targets only where one was asked for.

        A floor of PSNR that a lossless file meets is reached by infinity, for which JSON has null: so is the slack.
        """
        header, found = self.header, self.found
        met = (
            {
                "target": found.target.name,
                "target_value": found.target.value,
                "reached": found.reached,
                "slack": found.slack,
                "codings": found.codings,
            }
            if found
            else {}
        )
        return {
            "input": job.source_name,
            "output": job.target_name,
            "width": header.width,
            "height": header.height,
            "grey": header.grey,
            "bytes": header.total,
            "bpp": header.total * 8 / (header.width * header.height),
            "quality": header.quality_step / 100,
            "model": self.model,
            "output_bytes": self.output_bytes,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
            **met,
        }


def _met(found: Found) -> str:
    """Say how a target was met."""
    target, slack = found.target, found.slack
    if target.is_size:
        return f"{slack:.1%} under {target.say(target.value)}, {found.codings} codings"
    if math.isinf(found.reached):  # the PSNR of equal pictures
        return f"lossless, over {target.say(target.value)}, {found.codings} codings"
    return f"{target.say(found.reached)}, {slack:.2g} over {target.say(target.value)}, {found.codings} codings"
