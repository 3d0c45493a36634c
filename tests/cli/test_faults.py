"""Interruptions, killed processes, full disks, folders that cannot be written, writers at the same time.

Never is an output partial, what was there lost, or a temporary file left for long.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from lcodec import atomic
from lcodec.cli.batch import files
from lcodec.errors import UsageError
from tests.support import faults
from tests.support.command import COMMAND, ENVIRONMENT, PHOTO

from .conftest import Run

Trial = Callable[[Path, signal.Signals, int, int], Counter[str]]

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked or swept on Windows")

#: Runs the command line in the middle of writing for as long as standard input is open.
SLOW = """
import os, sys
from lcodec.cli import main
sync = os.fsync
def wait(file):
    print("writing", flush=True)
    sys.stdin.read()
    sync(file)
os.fsync = wait
sys.exit(main())
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---------------------------------------------------------------------------------------------------- interruptions


def test_signals_leave_the_old_file_and_no_other(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = photo.with_suffix(".lcdc")
    target.write_text("old")
    old = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, none is heard
    for number, code in ((signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
        monkeypatch.setattr(os, "fsync", lambda _, number=number: os.kill(os.getpid(), number))
        result = run("encode", photo, "-f")
        assert result.code == code
        assert "ed" in result.err
        assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.lcdc", "photo.png"]
        assert target.read_text() == "old"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGHUP, old)


def test_failed_write_leaves_the_old_file_and_no_other(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    photo.with_suffix(".lcdc").write_text("old")
    result = run("encode", photo, "-f")
    assert result.code == 1
    assert "No space left" in result.err
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.lcdc", "photo.png"]
    assert photo.with_suffix(".lcdc").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_device(run: Run, photo: Path, coded: Path) -> None:
    assert run("encode", photo, "-o", "/dev/full").code == 1
    for arguments in (["encode", photo, "-o", "-"], ["info", coded], ["--help"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False
            )
        assert done.returncode == 1, arguments
        assert b"No space left" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_closed_pipe_is_no_cause_for_a_traceback(coded: Path) -> None:
    for arguments in (["decode", str(coded), "-o", "-"], ["info", str(coded)]):
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        with process.stderr as stderr:
            assert stderr.read() == b""
        assert process.wait() != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_to_the_process(tmp_path: Path, number: signal.Signals) -> None:
    """Interrupted in the middle of many files: no traceback, no temporary files, only whole outputs."""
    names = [f"{index}.png" for index in range(200)]
    with Image.open(PHOTO) as image:
        image.resize((384, 256)).save(tmp_path / names[0])
    for name in names[1:]:
        (tmp_path / name).hardlink_to(tmp_path / names[0])
    process = subprocess.Popen([*COMMAND, "encode", *names], cwd=tmp_path, stderr=subprocess.PIPE, env=ENVIRONMENT)
    deadline = time.monotonic() + 60
    while not (tmp_path / "1.lcdc").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"Traceback" not in stderr
    outputs = [path for path in tmp_path.iterdir() if path.suffix != ".png"]
    assert 0 < len(outputs) < 200
    assert {path.suffix for path in outputs} == {".lcdc"}
    assert len({path.read_bytes() for path in outputs}) == 1


# ------------------------------------------------------------------------------------------------- killed processes


@needs_locks
@pytest.mark.parametrize("trial", [faults.end_encoders, faults.end_writers])
def test_killed_at_random_moments(tmp_path: Path, trial: Trial) -> None:
    seen = trial(tmp_path, signal.SIGKILL, 4, 1)
    assert seen["target replaced"] + seen["target as before"] == 4


@pytest.fixture
def slow(photo: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is writing, its temporary file in place, until it is told to go on."""
    command = [sys.executable, "-c", SLOW, "encode", "-q", "90", photo]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        yield process
        process.kill()


@needs_locks
def test_files_of_dead_writers_are_swept_and_no_others(run: Run, photo: Path, slow: subprocess.Popen[bytes]) -> None:
    (temporary,) = photo.parent.glob(".lcodec-*.part")
    foreign = photo.with_name(".lcodec-00000000-0123456789ab.part")  # by another machine, whose locks may not be seen
    foreign.write_text("precious")
    assert run("encode", photo, "-o", photo.with_name("a.lcdc")).code == 0
    assert temporary.exists()
    slow.kill()
    slow.wait()
    assert temporary.exists()
    atomic.sweep.cache_clear()  # as in a process of its own
    assert run("encode", photo, "-o", photo.with_name("b.lcdc")).code == 0
    assert names(photo.parent) == [foreign.name, "a.lcdc", "b.lcdc", "photo.png"]


@needs_locks
def test_a_file_swept_before_it_was_locked_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The instant between making a file and locking it is the only one in which another process may take it."""
    lock, swept = atomic.fcntl.flock, []

    def late(file: object, operation: int) -> None:
        if not swept:
            (path,) = tmp_path.glob(".lcodec-*.part")
            path.unlink()
            swept.append(path)
        lock(file, operation)

    monkeypatch.setattr(atomic.fcntl, "flock", late)
    atomic.write_whole(tmp_path / "a", b"whole", replace=False)
    assert len(swept) == 1
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"


# ---------------------------------------------------------------------------------------- writers at the same time


def test_a_file_that_came_into_being_meanwhile_is_not_overwritten(photo: Path, slow: subprocess.Popen[bytes]) -> None:
    photo.with_suffix(".lcdc").write_text("precious")
    slow.communicate()
    assert slow.returncode == 2
    assert photo.with_suffix(".lcdc").read_text() == "precious"
    assert names(photo.parent) == ["photo.lcdc", "photo.png"]


@pytest.mark.parametrize("force", [False, True])
def test_two_writers_of_one_file(photo: Path, force: bool) -> None:
    target = photo.with_suffix(".lcdc")
    whole, processes = [], []
    for quality in ("20", "80"):
        alone = photo.with_name("alone")
        subprocess.run([*COMMAND, "encode", "-f", "-q", quality, photo, "-o", alone], env=ENVIRONMENT, check=True)
        whole.append(alone.read_bytes())
        alone.unlink()
    for quality in ("20", "80"):
        command = [*COMMAND, "encode", "--quiet", *["-f"] * force, "-q", quality, photo]
        processes.append(subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE))
    messages = [process.communicate()[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == ([0, 0] if force else [0, 2])
    assert force or b"exists" in messages[codes.index(2)]
    assert target.read_bytes() in whole
    assert force or target.read_bytes() == whole[codes.index(0)]
    assert names(photo.parent) == ["photo.lcdc", "photo.png"]


def test_a_host_name_need_not_be_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic.platform, "node", lambda: "h\udcfcst")
    atomic.write_whole(tmp_path / "a", b"all of it", replace=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unsupported)
    job = files.Job(None, tmp_path / "a")
    files.write(job, [b"who", b"le"], force=False)
    with pytest.raises(UsageError, match="exists"):
        files.write(job, [b"another"], force=False)
    with pytest.raises(FileExistsError):
        atomic.write_whole(tmp_path / "a", b"another", replace=False)
    assert names(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"whole"


# ------------------------------------------------------------------------------------------------- nowhere to write


LIMITED = """
import resource, sys
from lcodec.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.exit(main())
"""


def test_limit_of_a_files_size(coded: Path) -> None:
    target = coded.with_suffix(".png")
    target.write_text("old")
    command = [sys.executable, "-c", LIMITED, "decode", "-f", coded]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert b"File too large" in done.stderr
    assert target.read_text() == "old"
    assert names(coded.parent) == ["coded.lcdc", "coded.png"]


def mount(folder: Path, *options: str) -> bool:
    """Mount 64 KiB of memory as a file system, where that is allowed."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(["size=64k", *options]), "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with an old output, on a disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mount(folder):
        pytest.skip("mounting a file system is not allowed here")
    (folder / "coded.png").write_text("old")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(run: Run, coded: Path, disk: Path) -> None:
    (disk / "filler").write_bytes(bytes(54 << 10))
    result = run("decode", "-f", coded, "-O", disk)
    assert result.code == 1
    assert "No space left" in result.err
    assert (disk / "coded.png").read_text() == "old"
    assert names(disk) == ["coded.png", "filler"]
    (disk / "filler").unlink()
    assert run("decode", "-f", coded, "-O", disk).code == 0
    assert names(disk) == ["coded.png"]


def test_full_disk_stops_the_run(run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [tmp_path / "in" / f"{name}.png" for name in "abcd"]
    pictures[0].parent.mkdir()
    for path in pictures:
        path.write_bytes(photo.read_bytes())
    synced = []

    def full(_: int) -> None:
        synced.append(1)
        if len(synced) == 2:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", full)
    result = run("encode", "-e", "0", "-r", tmp_path / "in", "-O", tmp_path / "out", "-j", "1")
    assert result.code == 1
    assert f"cannot write {tmp_path / 'out' / 'b.lcdc'}: {os.strerror(errno.EDQUOT)}" in result.err
    left = f"{pictures[2]}, {pictures[3]}"
    assert f"stopped, for the disk is full: 2 inputs looked at, 2 not: {left}" in result.err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.lcdc")) == ["a.lcdc"]
    synced[:] = [1]
    records = run("encode", "-e", "0", "-r", tmp_path / "in", "-O", tmp_path / "out", "-j", "1", "--json").records
    assert [record.get("skipped") for record in records] == ["current", None, "stopped", "stopped"]


@pytest.mark.parametrize("refused", ["chmod", "fsync", "utime"])
def test_services_that_the_file_system_lacks(
    run: Run, photo: Path, coded_bytes: bytes, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """CIFS, exFAT and many file systems in user space refuse modes, times, or to be synchronised."""

    def refuse(*_: object, **__: object) -> None:
        number = errno.EINVAL if refused == "fsync" else errno.EPERM
        raise OSError(number, os.strerror(number))

    photo.chmod(0o640)
    target = photo.with_suffix(".lcdc")
    target.write_text("old")
    target.chmod(0o600)
    monkeypatch.setattr(os, refused, refuse)
    for arguments, noted in (
        (["-f"], {"chmod": "the mode is not kept"}),
        (["-f", "-p"], {"chmod": "the mode is not kept", "utime": "the time is not kept"}),
    ):
        result = run("encode", photo, *arguments)
        assert (result.code, target.read_bytes()) == (0, coded_bytes)
        assert result.err.count("note:") == (refused in noted)
        assert noted.get(refused, "") in result.err


def test_record_that_cannot_be_written_is_named(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lcodec").touch()
    for arguments in ([], ["-n"]):
        result = run("encode", "-r", tmp_path, "-O", tmp_path / "out", *arguments)
        record = tmp_path / "out" / ".lcodec"
        assert result.code == 1
        assert f"{photo}: cannot write the record {record}: {record}: Not a directory" in result.err
        assert not list(tmp_path.rglob("*.lcdc"))


def test_read_only_disk(run: Run, coded: Path, disk: Path) -> None:
    assert mount(disk, "remount", "ro")
    result = run("decode", "-f", coded, "-O", disk)
    assert result.code == 1
    assert "Read-only" in result.err
    assert (disk / "coded.png").read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(run: Run, coded: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    (folder / "coded.png").write_text("old")
    folder.chmod(0o555)
    result = run("decode", "-f", coded, "-O", folder)
    assert result.code == 1
    assert "Permission denied" in result.err
    assert (folder / "coded.png").read_text() == "old"
    assert names(folder) == ["coded.png"]
