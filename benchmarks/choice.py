"""`python -m benchmarks.choice MODEL... --photos DIR_OR_TAR...`: measure what effort needs, for models that lack it.

Training ends with this by itself (`lcodec.training.rate_distortion`); models of before get it here. Each MODEL is the
path of a .safetensors file beside its index.json; the file and its entry are replaced, and no id changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import add_arrays, open_listed
from lcodec.effort.measure import measure_choice
from lcodec.metrics.differentiable import MIN_CROP
from lcodec.training.data import load_photos
from lcodec.training.run import LARGER, examples


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choice", description=__doc__)
    parser.add_argument("--photos", type=Path, nargs="+", required=True, help="folders or tar files of training photos")
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL", help="model files, measured in place")
    arguments = parser.parse_args()
    photos = load_photos(arguments.photos)
    for path in arguments.models:
        entry, model = open_listed(path)
        least = MIN_CROP[model.goal.aim]
        found = measure_choice(model, examples(photos, least), examples(photos, least, *LARGER))
        add_arrays(entry, model, found)
        print(f"{entry.name}: {path}")


if __name__ == "__main__":
    main()
