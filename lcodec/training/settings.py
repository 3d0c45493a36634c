"""What a run is asked for, and the schedule that follows from it: how much is done, and at which learning rate."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

from lcodec.training.state import Progress

__all__ = ["BEST_FILE", "STATE_FILE", "Settings"]

#: In the folder of a run: all that it needs to go on.
STATE_FILE = "state.safetensors"
#: In the folder of a run: the moving average to export, in the form of a state without the rest of it.
BEST_FILE = "best.safetensors"
WARM_UP_STEPS = 200
#: Between two validations passes at least so many times what one takes, and so for saving.
PATIENCE = 20
#: Both are done so often at least, as shares of a run that is given in seconds.
_OFTEN = 0.1


@dataclass(frozen=True)
class Settings:
    """What a run is asked for. Exactly one of `steps` and `seconds` (over all sittings) ends it.

    The clock counts wall time from `begun`, all of it: also loading, recording, validation and saving. What the last of
    these will take is left for it, so that the best average is on disk when the time is over.
    """

    out: Path
    steps: int | None = None
    seconds: float | None = None
    #: Crops a process. For MS-SSIM from `mse-fast`, steps count more than pixels: 3,760 of 128 crops of 192 (17.7
    #: gigapixels, learning rate 1.3e-3) came to a validation loss of 7.632, where 22,491 of 16 (13.3 gigapixels, 1e-3
    #: and 5e-4) had come to 7.419. For scale: the large networks, from `mse`, take 19.5 % fewer bits than these
    #: (BD-rate by MS-SSIM, Kodak) after 44,320 steps of 32 (52.3 gigapixels, 1e-3).
    batch: int = 16
    crop: int = 128  #: side in pixels, a multiple of 64
    #: At its peak. Restarted from a finished `mse-fast`, 1.2e-3 and 2.5e-3 are both stable with 64 crops. After 17,306
    #: steps of 512 crops (validation loss 7.8218), 0.65 hours of steps of 64 on two cores, from 5e-4 to zero, made it
    #: worse (7.8334): what noise small batches bring, so short a schedule does not take away. Nor does a restart at
    #: full rate in minutes: 25,221 steps of 96 crops from a finished large `mse`, from 6e-4 to zero, on fewer photos
    #: than it had seen, ended 0.3 % above its validation loss (6.8816 against 6.8604), and no mean of the two was below
    #: it. Nor does an encoder alone become better that way, with the decoder frozen and one fine and two coarse blocks
    #: more in the analysis: after 90 gigapixels (43,000 steps of 128 crops, 3e-4, most of the cosine over) its
    #: validation loss was 6.6794, and 6.6803 before. What effort gains is not in reach of a network for this loss.
    learning_rate: float = 1.2e-3
    seed: int = 0
    processes: int = 1
    device: str = "cpu"
    bfloat16: bool = True  #: where it is the faster type
    save_every: float = 60.0  #: seconds
    validate_every: float = 60.0  #: seconds, but see PATIENCE
    begun: float = field(default_factory=time.monotonic)  #: when this sitting began, by `time.monotonic`

    def share(self, progress: Progress) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.steps is not None:
            return min(progress.step / self.steps, 1.0)
        return min(progress.seconds / max((self.seconds or 0) - progress.reserve, 1e-9), 1.0)

    def learning_rate_now(self, progress: Progress) -> float:
        """Linear warm-up whenever the optimiser is new, then a cosine to zero at the end of the run."""
        warm = min(1.0, (progress.adam_steps + 1) / WARM_UP_STEPS)
        cosine = 0.5 * (1 + math.cos(math.pi * self.share(progress)))
        return self.learning_rate * min(warm, cosine)

    def interval(self, every: float, cost: float) -> float:
        """Seconds between two tasks that take `cost` seconds and are wanted every so often."""
        often = math.inf if self.seconds is None else _OFTEN * self.seconds
        return max(min(every, often), PATIENCE * cost)
