"""Running again: what is made again, what is not, and what is left alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lcodec.cli.batch import record
from lcodec.cli.batch import run as batch_run
from lcodec.cli.batch.files import Job

from .conftest import Result, Run


@pytest.fixture
def top(crop: Image.Image, tmp_path: Path) -> Path:
    """A folder of two pictures."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    crop.save(folder / "a.png")
    crop.resize((48, 32)).save(folder / "sub" / "b.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def encode(run: Run, top: Path, out: Path) -> Callable[..., Result]:
    """Encodes the folder."""
    return lambda *arguments: run("encode", "-r", top, "-O", out, "--json", *arguments)


Encode = Callable[..., Result]


def made(result: Result) -> list[str]:
    """Names of the outputs that a run wrote."""
    assert result.code == 0, result.err
    return [Path(item["output"]).name for item in result.records if "bytes" in item]


def test_second_run_does_nothing(run: Run, encode: Encode, top: Path, out: Path) -> None:
    assert made(encode()) == ["a.lcdc", "b.lcdc"]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")}
    assert made(encode()) == []
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in out.rglob("*")} == before
    assert run("encode", "-r", top, "-O", out).err == "lcodec: 0 encoded; 2 current\n"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "damage", [flip, lambda path: os.truncate(path, 40), lambda path: path.write_bytes(b""), Path.unlink]
)
def test_damaged_or_missing_output_is_made_again(encode: Encode, out: Path, damage: Callable[[Path], object]) -> None:
    encode()
    good, times = (out / "a.lcdc").read_bytes(), (out / "a.lcdc").stat()
    damage(out / "a.lcdc")
    if (out / "a.lcdc").exists():
        os.utime(out / "a.lcdc", ns=(times.st_atime_ns, times.st_mtime_ns))  # times prove nothing
    assert made(encode()) == ["a.lcdc"]
    assert (out / "a.lcdc").read_bytes() == good


def test_changed_input_is_made_again_whatever_its_times(encode: Encode, top: Path, out: Path) -> None:
    encode()
    source, times = top / "a.png", (top / "a.png").stat()
    with Image.open(source) as image:
        image.transpose(Image.Transpose.ROTATE_180).save(source)
    os.truncate(source, max(times.st_size, source.stat().st_size))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert made(encode()) == ["a.lcdc"]
    os.utime(source)
    assert made(encode()) == []


def test_other_settings_are_made_again(encode: Encode, tmp_path: Path) -> None:
    encode()
    assert made(encode("-q", "20")) == ["a.lcdc", "b.lcdc"]
    assert made(encode("-q", "20", "--max-pixels", "10000", "--device", "cpu")) == []
    assert made(encode("-q", "50")) == ["a.lcdc", "b.lcdc"]


def test_other_model_of_the_same_name_is_made_again(encode: Encode, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    from lcodec.zoo import Zoo

    entry = next(entry for entry in Zoo().entries() if entry.name == "mse")
    mine = Path(shutil.copy(entry.path, tmp_path / "mine.safetensors"))
    encode()
    assert made(encode("-m", mine)) == []  # the same, by another name
    arrays = load_file(mine)
    name = next(name for name in arrays if name.startswith("analysis."))
    save_file(arrays | {name: np.zeros_like(arrays[name])}, mine)
    from lcodec.cli.batch import coding

    coding._load_from.cache_clear()
    assert made(encode("-m", mine)) == ["a.lcdc", "b.lcdc"]


def test_force_makes_all_again(encode: Encode) -> None:
    encode()
    assert made(encode("-f")) == ["a.lcdc", "b.lcdc"]


def test_skip_existing_looks_at_names_only(run: Run, encode: Encode, out: Path, top: Path) -> None:
    out.mkdir()
    (out / "a.lcdc").write_text("anything")
    assert made(encode("--skip-existing")) == ["b.lcdc"]
    assert (out / "a.lcdc").read_text() == "anything"
    (top / "a.lcdc").write_text("anything")
    assert run("encode", top / "a.png", "--skip-existing").code == 0
    assert (top / "a.lcdc").read_text() == "anything"


def test_output_of_unknown_origin_is_left_alone(encode: Encode, out: Path, coded_bytes: bytes) -> None:
    out.mkdir()
    (out / "a.lcdc").write_bytes(coded_bytes[:-1])
    result = encode()
    assert result.code == 1
    assert "no record says" in result.err
    assert (out / "a.lcdc").read_bytes() == coded_bytes[:-1]
    assert made(encode("-f")) == ["a.lcdc", "b.lcdc"]


def test_unrecorded_output_that_is_alike_is_taken_over(encode: Encode, out: Path) -> None:
    encode()
    shutil.rmtree(out / ".lcodec")
    assert made(encode()) == []
    assert len(record.read(out)) == 2
    assert made(encode()) == []


def test_record_survives_torn_and_foreign_lines(encode: Encode, out: Path) -> None:
    encode()
    (path,) = (out / ".lcodec").iterdir()
    whole = path.read_bytes()
    path.write_bytes(b"\xff\n[1]\n{}\n" + whole[:-30])  # b.lcdc's line is torn
    (path.with_name("other.jsonl")).write_text("null\n")
    assert made(encode()) == []  # it is alike, and its line is added after the torn one
    assert len(record.read(out)) == 2


def test_kill_between_record_and_output(encode: Encode, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is there first, and says nothing of an output that is not; an old one is made again."""
    encode()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert encode("-q", "10").code == 130
    monkeypatch.undo()
    assert made(encode("-q", "10")) == ["a.lcdc", "b.lcdc"]


def test_two_runs_with_two_settings_leave_a_good_record(encode: Encode, out: Path) -> None:
    """Whichever run wrote last: the output that is there has its line."""
    encode("-q", "10")
    ten = (out / "a.lcdc").read_bytes()
    encode("-q", "90")
    (out / "a.lcdc").write_bytes(ten)  # as if the first run had been the slower one
    assert made(encode("-q", "10")) == ["b.lcdc"]


def test_twin_run_in_between_is_no_conflict(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    encode()
    monkeypatch.setattr(batch_run.record, "read", lambda root: {})  # read before the twin wrote
    assert made(encode()) == []


def test_if_smaller(run: Run, encode: Encode, top: Path, out: Path) -> None:
    Image.new("L", (64, 64)).save(top / "flat.png", optimize=True)
    size = (top / "flat.png").stat().st_size
    result = encode("--if-smaller", "-q", "100")
    coded = {Path(item["output"]).name: item for item in result.records}
    assert result.code == 0
    assert "bytes" in coded["a.lcdc"]
    encode("-q", "100")
    larger = (out / "flat.lcdc").stat().st_size >= size
    assert (coded["flat.lcdc"].get("skipped") == "larger") is larger
    tiny = top / "tiny.ppm"
    tiny.write_bytes(b"P6 1 1 255 abc")
    assert run("encode", tiny, "--if-smaller").err.endswith(
        "not written: not smaller than the input, or than a lossless file\n"
    )
    assert not tiny.with_suffix(".lcdc").exists()
    for _ in range(2):  # the second time by the record
        assert [item for item in encode("--if-smaller", "-q", "100").records if "tiny" in item["input"]] == [
            {"input": str(tiny), "output": str(out / "tiny.lcdc"), "skipped": "larger"}
        ]
    assert made(encode("-q", "100")) == ["tiny.lcdc"]


def test_preserve(encode: Encode, top: Path, out: Path) -> None:
    (top / "a.png").chmod(0o640)
    os.utime(top / "a.png", ns=(10**18, 10**18 + 5))
    encode("--preserve")
    status = (out / "a.lcdc").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, 10**18 + 5)
    os.utime(top / "a.png", ns=(10**18, 2 * 10**18))
    assert made(encode("--preserve")) == []
    assert (out / "a.lcdc").stat().st_mtime_ns == 2 * 10**18


def test_dry_run_writes_nothing(run: Run, encode: Encode, top: Path, out: Path) -> None:
    result = run("encode", "-r", top, "-O", out, "-n")
    assert result.code == 0
    assert result.err.count("would be written") == 2
    assert result.err.endswith("lcodec: 0 encoded; 2 to do\n")
    assert not out.exists()
    encode()
    flip(out / "a.lcdc")
    assert [item["skipped"] for item in encode("-n").records] == ["planned", "current"]
    assert run("encode", top / "a.png", "-n").code == 0
    assert sorted(path.name for path in top.iterdir()) == ["a.png", "sub"]


def test_decode_again(run: Run, encode: Encode, out: Path, tmp_path: Path) -> None:
    encode()
    back = tmp_path / "back"
    for damaged, expected in ((False, ["a.png", "b.png"]), (False, []), (True, ["b.png"])):
        if damaged:
            flip(back / "sub" / "b.png")
        assert made(run("decode", "-r", out, "-O", back, "--json")) == expected


def test_what_somebody_changed_is_not_overwritten_unasked(
    run: Run, encode: Encode, out: Path, top: Path, tmp_path: Path
) -> None:
    """A picture that was retouched; a coded file that was made elsewhere and put in the place of one."""
    encode()
    back = tmp_path / "back"
    assert run("decode", "-r", out, "-O", back).code == 0
    with Image.open(back / "a.png") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(back / "a.png")
    retouched = (back / "a.png").read_bytes()
    for dry in ((), ("-n",)):
        result = run("decode", "-r", out, "-O", back, *dry)
        assert result.code == 1
        assert "a.png was changed since it was made (-f overwrites)" in result.err
    assert (back / "a.png").read_bytes() == retouched
    assert made(run("decode", "-r", out, "-O", back, "--json", "-f")) == ["a.png", "b.png"]
    with Image.open(top / "a.png") as image:
        image.crop((0, 0, 40, 40)).save(tmp_path / "other.png")
    assert run("encode", tmp_path / "other.png", "-f", "-o", out / "a.lcdc").code == 0
    other = (out / "a.lcdc").read_bytes()
    assert "a.lcdc was changed" in run("encode", "-r", top, "-O", out).err
    assert (out / "a.lcdc").read_bytes() == other


def test_line_is_json_with_the_name_and_both_digests() -> None:
    job = Job(Path("in/x/a.png"), Path("out/x/a.lcdc"), Path("out"))
    assert json.loads(record.line(job, "12", {"quality": 50}, None)) == {
        "output": "x/a.lcdc",
        "source": "12",
        "settings": {"quality": 50},
        "made": None,
    }


def test_dry_run_gives_the_verdict_of_the_run(run: Run, photo: Path, tmp_path: Path) -> None:
    top, out = tmp_path / "in", tmp_path / "out"
    top.mkdir()
    (top / "good.png").write_bytes(photo.read_bytes())
    (top / "bad.png").write_bytes(photo.read_bytes()[:200])
    (top / "mine.png").write_bytes(photo.read_bytes())
    out.mkdir()
    (out / "mine.lcdc").write_text("precious")

    def verdict(*arguments: str) -> tuple[int, list[str]]:
        result = run("encode", "-e", "0", "-r", top, "-O", out, *arguments)
        return result.code, [line for line in result.err.splitlines() if not re.search(r" -> | encoded", line)]

    dry = verdict("-n")
    assert not (out / ".lcodec").exists()
    assert verdict() == dry
    assert dry[0] == 1
    assert "2 of 3 inputs failed" in dry[1][-1]
