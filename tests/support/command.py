"""Runs the command line in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "tests" / "data" / "photo.jpg"
COMMAND = [sys.executable, "-m", "lcodec.cli"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

#: Runs the command line where these modules cannot be imported.
BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise {error}("imported " + name)

sys.meta_path.insert(0, Blocker())
from lcodec.cli import main
sys.exit(main())
"""


def run_without(blocked: set[str], *arguments: str | Path, missing: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command where these modules must not be imported; `missing`: as if they were not installed."""
    error = "ModuleNotFoundError" if missing else "AssertionError"
    program = BLOCKED.replace("{blocked!r}", repr(blocked)).replace("{error}", error)
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
