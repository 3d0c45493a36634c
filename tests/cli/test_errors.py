"""What is refused, with which exit code, and that nothing is lost by it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lcodec import codec, errors
from lcodec.picture import Picture
from tests.support.streams import rename_model

from .conftest import Run

# ------------------------------------------------------------------------------------------------- what exists stays


def test_existing_output_is_refused(run: Run, photo: Path) -> None:
    target = photo.with_suffix(".lcdc")
    target.write_text("precious")
    result = run("encode", photo)
    assert (result.code, target.read_text()) == (2, "precious")
    assert "-f overwrites" in result.err


def test_force_overwrites_and_keeps_the_mode(run: Run, photo: Path, coded_bytes: bytes) -> None:
    target = photo.with_suffix(".lcdc")
    target.write_text("old")
    target.chmod(0o640)
    assert run("encode", photo, "-f").code == 0
    assert target.read_bytes() == coded_bytes
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_new_file_has_the_mode_that_umask_gives(run: Run, photo: Path) -> None:
    old = os.umask(0o027)
    try:
        assert run("encode", photo).code == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE(photo.with_suffix(".lcdc").stat().st_mode) == 0o640


def test_named_link_is_written_through(run: Run, photo: Path, tmp_path: Path, coded_bytes: bytes) -> None:
    real, link = tmp_path / "real.bin", tmp_path / "link.lcdc"
    real.write_text("old")
    link.symlink_to(real)
    assert run("encode", photo, "-o", link).code == 2
    assert run("encode", photo, "-f", "-o", link).code == 0
    assert link.is_symlink()
    assert real.read_bytes() == coded_bytes


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_other_links_are_replaced(
    run: Run, photo: Path, tmp_path: Path, coded_bytes: bytes, beside: bool, there: bool
) -> None:
    """A folder that others write to may hold links to anywhere, also to what does not exist yet."""
    elsewhere, out = tmp_path / "elsewhere", photo.parent if beside else tmp_path / "out"
    out.mkdir(exist_ok=True)
    if there:
        elsewhere.write_text("precious")
    link = out / "photo.lcdc"
    link.symlink_to(elsewhere)
    arguments = ["encode", photo] if beside else ["encode", photo, "-O", out]
    assert run(*arguments).code == 2
    assert run(*arguments, "-f").code == 0
    assert (link.is_symlink(), link.read_bytes()) == (False, coded_bytes)
    assert elsewhere.exists() == there
    assert not there or elsewhere.read_text() == "precious"


def test_a_link_that_leads_nowhere_is_kept_by_a_folder_job(run: Run, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    link = out / "photo.lcdc"
    link.symlink_to("nowhere")
    for more in ((), ("--skip-existing",)):
        result = run("encode", "-r", photo.parent, "-O", out, *more)
        assert (result.code, link.is_symlink()) == (0 if more else 2, True)
    assert run("encode", "-r", photo.parent, "-O", out, "-f").code == 0
    assert not link.is_symlink()


def test_a_fault_of_the_program_costs_one_input(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(picture: Picture, *arguments: Any, **options: Any) -> bytes:
        if picture.width == 96:
            raise ValueError("math\ndomain error")
        return plain(picture, *arguments, **options)

    plain = codec.encode
    monkeypatch.setattr(codec, "encode", faulty)
    with Image.open(photo) as image:
        image.crop((0, 0, 40, 40)).save(photo.with_name("small.png"))
    result = run("encode", "-r", photo.parent, "-O", tmp_path / "out", "-j", "1")
    assert result.code == 1
    said = f"lcodec: {photo}: a fault of lcodec, please report it: ValueError: math domain error (test_errors.py:"
    assert said in result.err
    assert [path.name for path in (tmp_path / "out").glob("*.lcdc")] == ["small.lcdc"]
    result = run("encode", photo)
    assert (result.code, result.err.count("\n")) == (1, 1)


def test_a_file_does_not_stand_in_for_a_model_of_its_name(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mse", "mse-fast"):
        Path(name).write_bytes(b"")
        assert run("encode", "-f", "-m", name, photo).code == 0
        assert run("decode", "-f", "-m", name, photo.with_suffix(".lcdc"), "-o", "out.png").code == 0


def test_an_input_that_is_named_twice_is_worked_on_once(run: Run, photo: Path, tmp_path: Path) -> None:
    again = photo.parent / "." / photo.name
    for number, words in enumerate((("-r", photo.parent, photo), (photo, f"{photo.parent}/./{again.name}"))):
        result = run("encode", *words, "-O", tmp_path / f"out{number}", "--json")
        assert (result.code, len(result.records)) == (0, 1)


def test_an_unreadable_input_costs_no_other(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root, everything can be read: what is asked before a file is opened is answered as for others."""
    locked = photo.with_name("locked.png")
    locked.write_bytes(photo.read_bytes())
    monkeypatch.setattr(os, "access", lambda path, mode, **_: not os.fspath(path).endswith("locked.png"))
    assert run("encode", locked, photo, "-O", tmp_path / "out").code == 0


@pytest.mark.parametrize("words", [(), ("--flat",), ("-n",)])
def test_a_folder_that_cannot_be_listed_costs_no_other_input(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    bad, listed = tmp_path / "bad", os.scandir
    bad.mkdir()

    def scandir(path: Path) -> Any:
        if Path(path) == bad:
            raise PermissionError(errno.EACCES, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = run("encode", "-r", bad, photo, "-O", tmp_path / "out", *words)
    assert result.code == 1
    assert (tmp_path / "out" / "photo.lcdc").exists() == (words != ("-n",))
    assert str(bad) in result.err


def test_the_folder_of_a_missing_input_is_not_blamed(run: Run, tmp_path: Path) -> None:
    for command, name in (("encode", "a.png"), ("decode", "a.lcdc")):
        result = run(command, tmp_path / "phtos" / name)
        assert result.code == 1
        assert result.err == f"lcodec: {tmp_path / 'phtos' / name}: No such file or directory\n"


def test_a_name_with_a_slash_at_its_end_is_a_folder(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("encode", photo, "-o", f"{tmp_path}/out/")
    assert result.code == 2
    assert "out/ is the name of a folder (-O names one)" in result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png"]


def test_dry_run_of_a_folder_that_would_be_made(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("encode", "-n", photo, "-O", tmp_path / "new")
    assert result.code == 0
    assert "would be written" in result.err
    assert not (tmp_path / "new").exists()


def test_an_empty_name_is_no_model(run: Run, photo: Path, coded: Path) -> None:
    for arguments in (("encode", photo), ("decode", coded)):
        result = run(*arguments, "-m", "")
        assert (result.code, result.err) == (4, "lcodec: the name of the model is empty\n")


def test_a_folder_is_no_model(run: Run, photo: Path, tmp_path: Path) -> None:
    result = run("encode", "-m", tmp_path, photo)
    assert result.code == 4
    assert "is a folder, no model's file (LCODEC_MODELS names a folder of models)" in result.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("encode",), ("decode", "--format", "ppm"), ("info",), ("info", "--json")])
def test_what_standard_output_does_not_take_is_an_error(
    words: tuple[str, ...], unbuffered: str, photo: Path, coded: Path
) -> None:
    """Also without a buffer, where Python takes what one write took for all of it."""
    more = ["-o", "-"] if words[0] != "info" else []
    command = [sys.executable, "-m", "lcodec.cli", *words, photo if words[0] == "encode" else coded, *more]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert result.returncode == 1
    assert b"cannot write to standard output: No space left on device" in result.stderr
    if words[0] == "decode":  # a write that takes a part: the limit is of 4 KiB
        limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *command]
        with (photo.parent / "part").open("wb") as part:
            result = subprocess.run(limited, stdout=part, stderr=subprocess.PIPE, env=environment, check=False)
        assert result.returncode == 1
        assert b"cannot write to standard output: File too large" in result.stderr


@pytest.mark.parametrize("words", [("encode", "-o", "a.lcdc"), ("encode", "-O", "out"), ("encode", "-r", ".")])
def test_a_folder_that_is_gone_is_not_standard_output(
    words: tuple[str, ...], run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    try:
        gone.rmdir()
    except OSError:
        pytest.skip("this system removes no folder that a process is in")
    result = run(*words, photo)
    said = "lcodec: the folder that the command runs in is gone: No such file or directory\n"
    assert (result.code, result.err) == (1, said)


def test_an_error_without_a_file_is_not_put_down_to_standard_output(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr("lcodec.cli.batch.folders.plan", fail)
    result = run("encode", photo)
    assert (result.code, result.err) == (1, "lcodec: no more processes\n")


def test_only_a_named_pipe_that_the_user_named_is_written_to(run: Run, photo: Path, coded_bytes: bytes) -> None:
    pipe = photo.with_suffix(".lcdc")
    os.mkfifo(pipe)
    assert run("encode", photo).code == 2
    reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE)
    assert run("encode", photo, "-o", pipe).code == 0
    assert reader.communicate()[0] == coded_bytes
    assert run("encode", photo, "-f").code == 0
    assert pipe.read_bytes() == coded_bytes


@pytest.mark.parametrize("make", [Path.symlink_to, Path.hardlink_to])
def test_output_that_is_the_input_is_refused(run: Run, photo: Path, make: Callable[[Path, Path], None]) -> None:
    before = photo.read_bytes()
    alias = photo.with_name("alias")
    make(alias, photo)
    for target in (photo, photo.parent / "." / "photo.png", alias):
        result = run("encode", photo, "-f", "-o", target)
        assert result.code == 2
        assert "is the input" in result.err
    assert photo.read_bytes() == before


def test_output_that_is_another_input_is_refused(run: Run, coded: Path) -> None:
    other = coded.with_suffix(".png")
    other.write_text("precious")
    result = run("decode", "-f", coded, other)
    assert (result.code, other.read_text()) == (2, "precious")


def test_two_inputs_of_one_output_are_refused_before_any_is_read(run: Run, photo: Path) -> None:
    other = photo.with_suffix(".jpg")
    with Image.open(photo) as image:
        image.save(other)
    result = run("encode", photo, other)
    assert result.code == 2
    assert "would also be that of" in result.err
    assert not photo.with_suffix(".lcdc").exists()


def test_device_is_written_to_and_not_replaced(run: Run, photo: Path) -> None:
    assert run("encode", photo, "-o", os.devnull).code == 0
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)


# ---------------------------------------------------------------------------------------------------- usage, exit 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["encode"],
        ["nonesuch"],
        ["encode", "-q", "101", "a.png"],
        ["encode", "-q", "-1", "a.png"],
        ["encode", "-q", "nan", "a.png"],
        ["encode", "-q", "high", "a.png"],
        ["encode", "--device", "tpu", "a.png"],
        ["encode", "--max-pixels", "0", "a.png"],
        ["encode", "--memory", "plenty", "a.png"],
        ["decode", "--memory", "-1G", "a.lcdc"],
        ["encode", "-o", "x", "a.png", "b.png"],
        ["encode", "-o", "x", "-O", "y", "a.png"],
        ["encode", "-", "a.png"],
        ["encode", "-", "-O", "y"],
        ["encode", "a.png", "a.lcdc"],
        ["decode", "a.lcdc", "--format", "gif"],
        ["info"],
        *([*words, ""] for words in (["encode"], ["decode"], ["info"], ["eval"])),
        *(["encode", "a.png", option, ""] for option in ("-o", "-O", "--files-from")),
        ["eval", "a.png", "-O", ""],
        ["train", ".", "--steps", "1", "-O", ""],
        ["eval", "a.png", "-"],
        *([*words, "-O", "-"] for words in (["encode", "a.png"], ["eval", "a.png"], ["train", ".", "--steps", "1"])),
    ],
)
def test_usage(run: Run, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert (result.code, result.out) == (2, b"")
    assert result.err
    assert not list(tmp_path.iterdir())


def test_a_folder_whose_name_is_a_stream_s_is_named_with_its_own(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("encode", photo, "-O", "./-").code == 0
    assert (tmp_path / "-" / "photo.lcdc").exists()
    photo.rename(tmp_path / "-" / "photo.png")
    refused = run("eval", "-", "--codec", "webp", "--metric", "psnr")
    assert (refused.code, "./- names" in refused.err) == (2, True)
    assert run("eval", "./-", "--codec", "webp@50", "--metric", "psnr").code == 0


def test_usage_error_is_short_and_points_to_the_help(run: Run) -> None:
    assert run("encode", "-q", "101", "a.png").err.splitlines() == [
        "lcodec: Invalid value for '-q' / '--quality': '101' is not a number from 0 to 100.",
        "Try 'lcodec encode --help'.",
    ]


def test_terminals(run: Run, photo: Path, coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    for arguments in (["encode", photo, "-o", "-"], ["decode", coded, "-o", "-"]):
        result = run(*arguments)
        assert (result.code, result.out) == (2, b"")
        assert "terminal" in result.err
        assert run(*arguments, "-f").code == 0


def test_folder_as_output(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run("encode", photo, "-o", tmp_path).code == 2
    assert run("encode", photo, "-o", tmp_path / "none" / "x.lcdc").code == 1


# ----------------------------------------------------------------------------------------------------- inputs, 1 to 6


def test_missing_input(run: Run, tmp_path: Path) -> None:
    for command, name in (("encode", "none.png"), ("decode", "none.lcdc"), ("info", "none.lcdc")):
        result = run(command, tmp_path / name)
        assert result.code == 1
        assert "No such file" in result.err
        assert len(result.err.splitlines()) == 1


def test_folder_as_input(run: Run, tmp_path: Path) -> None:
    for command in ("encode", "decode"):
        result = run(command, tmp_path)
        assert (result.code, result.err) == (2, f"lcodec: {tmp_path} is a folder (-r takes what is in it)\n")
    assert run("info", tmp_path).code == 2


def test_text_as_picture(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture\n" * 50)
    result = run("encode", tmp_path / "a.png")
    assert result.code == 1
    assert result.err.startswith(f"lcodec: {tmp_path / 'a.png'}: not a picture")


@pytest.mark.parametrize("length", [0, 3, 5, 20, 60, -1])
def test_truncated_file(run: Run, coded: Path, length: int) -> None:
    coded.write_bytes(coded.read_bytes()[:length])
    result = run("decode", coded)
    assert result.code == 3
    assert len(result.err.splitlines()) == 1
    assert not coded.with_suffix(".png").exists()


def test_missing_model(run: Run, coded: Path) -> None:
    coded.write_bytes(rename_model(coded.read_bytes()))
    assert run("decode", coded).code == 4


def test_limit_of_pixels(run: Run, photo: Path, coded: Path) -> None:
    for command, source in (("encode", photo), ("decode", coded)):
        result = run(command, source, "--max-pixels", str(96 * 64 - 1))
        assert result.code == 5
        assert "limit" in result.err
        assert run(command, source, "--max-pixels", str(96 * 64)).code == 0


def test_the_budget_of_memory_is_kept_or_refused(run: Run, photo: Path, coded: Path) -> None:
    for command, source in (("encode", photo), ("decode", coded)):
        result = run(command, source, "--memory", "64M")
        assert result.code == 5
        least = result.err.split("at least ")[1].split()[0]
        assert run(command, source, "--memory", f"{least}MiB").code == 0


@pytest.mark.parametrize(
    ("error", "code"), [(errors.SelfTestError("inexact"), 6), (MemoryError(), 5), (OSError(5, "Input/output"), 1)]
)
def test_errors_of_the_codec(
    run: Run, photo: Path, error: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(codec, "encode", fail)
    assert run("encode", photo).code == code


def test_one_failure_does_not_stop_the_others(run: Run, photo: Path, tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.png", tmp_path / "missing.png"
    bad.write_text("bad")
    result = run("encode", bad, missing, photo)
    assert result.code == 1
    assert photo.with_suffix(".lcdc").exists()
    assert result.err.splitlines()[-1] == f"lcodec: 2 of 3 inputs failed: {bad}, {missing}"


def test_code_of_several_failures(run: Run, coded: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.lcdc"
    coded.write_bytes(coded.read_bytes()[:-1])
    other.write_bytes(b"x")
    assert run("decode", coded, other).code == 3
    assert run("decode", coded, tmp_path / "missing.lcdc").code == 1
