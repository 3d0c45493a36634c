"""The wheel carries the models: built, unpacked elsewhere, it encodes and decodes without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_wheel_decodes_a_golden_file_in_a_bare_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (shared,) = site.glob("lcodec-*.data/data/share")  # an installer puts it into the prefix
    assert sorted(str(path.relative_to(shared)) for path in shared.rglob("*") if path.is_file()) == [
        "bash-completion/completions/lcodec",
        "fish/vendor_completions.d/lcodec.fish",
        "lcodec/magic",
        "man/man1/lcodec.1",
        "mime/packages/lcodec.xml",
        "zsh/site-functions/_lcodec",
    ]
    # The dependencies of this environment as a plain folder: its .pth files, and so the checkout, stay out.
    (site / "dependencies.pth").write_text(str(Path(np.__file__).parents[1]) + "\n")
    golden = ROOT / "tests" / "golden" / "v1"
    environment = {"PATH": os.environ["PATH"], "LCODEC_MODELS": str(golden), "PYTHONWARNINGS": "error"}
    python = str(tmp_path / "env" / "bin" / "python")

    def lcodec(*arguments: str) -> str:
        done = subprocess.run(
            [python, "-I", "-c", "import sys; from lcodec.cli import main; sys.exit(main())", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-I", "-c", "import lcodec; print(lcodec.__file__)"], capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(site)
    lcodec("decode", str(golden / "16-128x96-rgb-q77.77.lcdc"), "-o", str(tmp_path / "golden.png"))
    lcodec("encode", str(tmp_path / "golden.png"), "-o", str(tmp_path / "again.lcdc"))
    lcodec("decode", str(tmp_path / "again.lcdc"), "-o", str(tmp_path / "again.png"))
    lcodec("models", "check")
    assert (tmp_path / "again.png").stat().st_size > 1000
    assert (site / "lcodec" / "FORMAT.md").exists()
    assert (site / "lcodec" / "py.typed").exists()
