"""Folders and lists as inputs: what is found, where outputs go, what is refused."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lcodec.cli.batch import folders
from lcodec.cli.batch.files import coded_name, picture_name
from lcodec.cli.options import FolderOptions
from lcodec.defaults import PICTURE_SUFFIXES
from lcodec.errors import UsageError

from .conftest import Run


def make(folder: Path, *names: str) -> Path:
    """A folder with an empty file of each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def targets(
    inputs: list[Path], folder: Path | None = None, options: FolderOptions | None = None, base: Path | None = None
) -> list[str]:
    options = options or FolderOptions(recursive=True)
    plan = folders.plan([str(path) for path in inputs], None, folder, options, coded_name, PICTURE_SUFFIXES)
    jobs = plan.jobs
    return [str(job.target.relative_to(base or folder or inputs[0])) for job in jobs if job.target is not None]


def test_the_tree_is_mirrored_in_sorted_order(tmp_path: Path) -> None:
    top = make(tmp_path / "in", "b.png", "a/z.JPG", "a/b/c.tif", "A.webp")
    expected = ["A.lcdc", "a/b/c.lcdc", "a/z.lcdc", "b.lcdc"]
    assert targets([top], tmp_path / "out") == expected
    assert targets([top]) == expected  # beside the inputs


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    top = make(tmp_path / "in", ".a.png", ".git/b.png", "notes.txt", "README", "c.png", "d.lcdc")
    assert targets([top], tmp_path / "out") == ["c.lcdc"]
    assert targets([top / "notes.txt", top], tmp_path / "out") == ["notes.txt.lcdc", "c.lcdc"]  # named: tried


def test_what_is_in_the_output_folder_is_no_input(tmp_path: Path) -> None:
    top = make(tmp_path / "in", "a.png", "out/b.png", "other/out/c.png")
    assert targets([top], top / "out") == ["a.lcdc", "other/out/c.lcdc"]
    assert targets([top], top) == ["a.lcdc", "other/out/c.lcdc", "out/b.lcdc"]  # all of it is meant


def test_links_that_lead_out_and_loops_are_not_followed(tmp_path: Path) -> None:
    top = make(tmp_path / "in", "a.png", "sub/b.png")
    make(tmp_path / "other", "secret.png")
    (top / "file.png").symlink_to(tmp_path / "other" / "secret.png")
    (top / "folder").symlink_to(tmp_path / "other")
    (top / "sub" / "loop").symlink_to(top)
    (top / "self.png").symlink_to(top / "self.png")
    (top / "inside.png").symlink_to(top / "sub" / "b.png")
    assert targets([top], tmp_path / "out") == ["a.lcdc", "inside.lcdc", "sub/b.lcdc"]


def test_flat(tmp_path: Path) -> None:
    flat = FolderOptions(recursive=True, flat=True)
    top = make(tmp_path / "in", "a/x.png", "b/y.png")
    assert targets([top], tmp_path / "out", flat) == ["x.lcdc", "y.lcdc"]
    with pytest.raises(UsageError, match="-O names it"):
        targets([top], None, flat)
    make(top, "c/x.png")
    plan = folders.plan([str(top)], None, tmp_path / "out", flat, coded_name, PICTURE_SUFFIXES)
    assert [job.source for job in plan.jobs if job.refused] == [top / "a" / "x.png", top / "c" / "x.png"]


def test_of_many_inputs_of_one_output_a_few_are_named(tmp_path: Path) -> None:
    top = make(tmp_path / "in", *(f"{number}/x.png" for number in range(8)))
    flat = FolderOptions(recursive=True, flat=True)
    plan = folders.plan([str(top)], None, tmp_path / "out", flat, coded_name, PICTURE_SUFFIXES)
    assert all(job.refused.count("x.png") == 3 and "and 4 more" in job.refused for job in plan.jobs)
    assert not any("--keep-suffix" in job.refused for job in plan.jobs)  # it would not help


def test_names_that_clash_are_named_and_the_rest_is_coded(run: Run, photo: Path, tmp_path: Path) -> None:
    twins = [tmp_path / "in" / name for name in ("a.jpg", "a.png", "sub/b.png", "sub/b.tif")]
    for path in (*twins, tmp_path / "in" / "c.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo.read_bytes())
    for arguments in ([], ["-n"]):
        result = run("encode", "-e", "0", "-r", tmp_path / "in", "-O", tmp_path / "out", *arguments)
        assert result.code == 1
        assert result.err.splitlines()[-1] == f"lcodec: 4 of 5 inputs failed: {', '.join(map(str, twins))}"
        assert "--keep-suffix keeps them apart" in result.err
        assert [path.name for path in (tmp_path / "out").rglob("*.lcdc")] == ["c.lcdc"]
    assert run("encode", "-e", "0", "-r", tmp_path / "in", "-O", tmp_path / "all", "--keep-suffix").code == 0
    coded = sorted(path.relative_to(tmp_path / "all").as_posix() for path in (tmp_path / "all").rglob("*.lcdc"))
    assert coded == ["a.jpg.lcdc", "a.png.lcdc", "c.png.lcdc", "sub/b.png.lcdc", "sub/b.tif.lcdc"]
    back = run("decode", "-r", tmp_path / "all", "-O", tmp_path / "back", "--json")
    assert back.code == 1
    assert [record["output"] for record in back.records if "output" in record] == [str(tmp_path / "back" / "c.png")]
    assert run("decode", "-r", tmp_path / "all", "-O", tmp_path / "back", "--keep-suffix").code == 0
    assert (tmp_path / "back" / "sub" / "b.tif.png").is_file()


@pytest.mark.parametrize(
    ("name", "taken_off", "kept"),
    [
        ("a.lcdc", "a.png", "a.png"),
        ("a.jpg.lcdc", "a.png", "a.jpg.png"),
        ("A.JPG.LCDC", "A.png", "A.JPG.png"),
        ("v1.2.lcdc", "v1.2.png", "v1.2.png"),
        ("a.jpg", "a.jpg.png", "a.jpg.png"),
    ],
)
def test_names_of_decoded_pictures(name: str, taken_off: str, kept: str) -> None:
    assert picture_name(Path(name), "png") == taken_off
    assert picture_name(Path(name), "png", keep_suffix=True) == kept


def test_what_was_not_looked_at_is_said(run: Run, photo: Path, tmp_path: Path) -> None:
    top = make(tmp_path / "in", "a.mov", "sub/b.MOV", "README", "old.lcdc", ".hidden.xyz")
    make(tmp_path / "other", "secret.png")
    (top / "out.png").symlink_to(tmp_path / "other" / "secret.png")
    (top / "gone.png").symlink_to("nowhere")
    (top / "self.png").symlink_to("self.png")
    (top / "folder").symlink_to(tmp_path / "other")
    said = f"1 without a suffix, 2 .mov, {top}/folder (leads to a folder), {top}/gone.png (leads nowhere), "
    said += f"{top}/out.png (leads out of the folder), {top}/self.png (leads nowhere)"
    for arguments in ([], ["-n"], ["--json"], ["--quiet"]):
        result = run("encode", "-r", top, "-O", tmp_path / "out", *arguments)
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert result.err.startswith("lcodec: nothing here can be encoded; not looked at: 1 without a suffix, 1 .lcdc")
    (top / "a.png").write_bytes(photo.read_bytes())
    result = run("encode", "-e", "0", "-r", top)
    assert result.code == 0
    assert result.err.splitlines()[-1] == f"lcodec: not looked at: {said}"
    assert "not looked at" not in run("encode", "-r", top, "--quiet").err
    assert "2 .mov" in run("decode", "-n", "-r", top, "-O", tmp_path / "out").err


def test_list_with_a_byte_order_mark(run: Run, photo: Path, tmp_path: Path) -> None:
    for number, encoding in enumerate(("utf-8-sig", "utf-16")):
        (tmp_path / "list").write_text(f"{photo}\n", encoding=encoding)
        arguments = ["--files-from", tmp_path / "list", "-O", tmp_path / str(number), "--flat"]
        assert run("encode", "-e", "0", *arguments).code == 0, encoding


@pytest.mark.skipif(sys.platform == "win32", reason="users and modes of Unix")
def test_folder_that_can_be_listed_but_not_entered(run: Run, photo: Path, tmp_path: Path) -> None:
    locked = make(tmp_path / "in" / "locked", "b.png")
    photo.rename(tmp_path / "in" / "a.png")
    real = os.stat

    def deny(path: str, *, follow_symlinks: bool = True, **options: int) -> os.stat_result:
        if str(path).startswith(f"{locked}{os.sep}"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, follow_symlinks=follow_symlinks, **options)

    opened = Path.open

    def closed(path: Path, *arguments: object, **options: object) -> object:
        if path.parent == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    with pytest.MonkeyPatch.context() as patch:  # root may do everything
        patch.setattr(os, "stat", deny)
        patch.setattr(Path, "open", closed)
        result = run("encode", "-e", "0", "-r", tmp_path / "in", "-O", tmp_path / "out")
    assert result.code == 1
    assert f"lcodec: {locked / 'b.png'}: Permission denied" in result.err
    assert (tmp_path / "out" / "a.lcdc").is_file()


def test_list_of_files(run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "sub/x")
    monkeypatch.chdir(tmp_path)
    odd = Path("sub", "line\nbreak.dat")
    odd.write_bytes(photo.read_bytes())
    assert run("encode", "-0", "--files-from", "-", "-O", "out", stdin=f"{odd}\0photo.png\0".encode()).code == 0
    assert {path.relative_to("out").as_posix() for path in Path("out").rglob("*.lcdc")} == {
        "sub/line\nbreak.dat.lcdc",
        "photo.lcdc",
    }
    Path("list").write_text(f"{photo}\r\n\n")
    assert run("encode", "--files-from", "list", "-O", "out").code == 0
    assert (tmp_path / "out" / photo.relative_to("/").with_suffix(".lcdc")).is_file()
    assert run("encode", "--files-from", "list", "-O", "out", "--flat", "--json").records[0]["skipped"] == "current"
    assert run("encode", "--files-from", "list").code == 0  # beside the input
    assert photo.with_suffix(".lcdc").is_file()


@pytest.mark.parametrize(
    ("data", "said"), [(b"../a.png\n", "'..'"), (b"a.png\0b.png\0", "-0"), (b"folder\n", "-r takes what is in it")]
)
def test_list_that_is_refused(
    run: Run, tmp_path: Path, data: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    result = run("encode", "--files-from", "-", "-O", "out", stdin=data)
    assert result.code == 2
    assert said in result.err
    assert not Path("out").exists()


def test_flat_list_may_lead_anywhere(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("../a.png\n/b/c.png\n")
    options = FolderOptions(files_from=str(tmp_path / "list"), flat=True)
    assert targets([], tmp_path / "out", options) == ["a.lcdc", "c.lcdc"]


def test_missing_list(run: Run, tmp_path: Path) -> None:
    assert run("encode", "--files-from", tmp_path / "none").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["-r", "in", "-o", "x"],
        ["in", "-O", "out"],
        ["-r", "in", "-"],
        ["-r", "in", "-O", "out", "--flat", "--shard", "3/2"],
        ["-r", "in", "--shard", "0/2"],
        ["-r", "in", "--shard", "1"],
        ["-r", "in", "--flat"],
        ["-r", "in", "-f", "--skip-existing"],
        ["-r", "in", "-j", "0"],
        ["-r", "in", "-j", "2", "--scheduler", "tcp://127.0.0.1:1"],
        ["-", "--scheduler", "tcp://127.0.0.1:1"],
    ],
)
def test_usage(run: Run, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "in", "a.png")
    monkeypatch.chdir(tmp_path)
    assert run("encode", *arguments).code == 2
    assert not list(tmp_path.rglob("*.lcdc"))


def test_empty_folder_is_no_error(run: Run, tmp_path: Path) -> None:
    result = run("encode", "-r", tmp_path, "-O", tmp_path / "out")
    assert (result.code, result.err) == (0, "lcodec: 0 encoded\n")


@given(
    st.sets(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), max_size=30),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_shards_are_a_partition_and_stable(names: set[str], count: int, random: object) -> None:
    def shares(inputs: list[str]) -> list[set[str]]:
        options = [FolderOptions(shard=(index + 1, count)) for index in range(count)]
        plans = [folders.plan(inputs, None, Path("out"), option, coded_name, PICTURE_SUFFIXES) for option in options]
        return [{str(job.source) for job in found.jobs} for found in plans]

    inputs = [name.lower() + f"{index}.png" for index, name in enumerate(sorted(names))]
    if not inputs:
        return
    found = shares(inputs)
    assert sorted(name for share in found for name in share) == sorted(inputs)
    assert shares(inputs[::-1]) == found
    assert all(alone <= share for alone, share in zip(shares(inputs[:1]), found, strict=True))  # whatever else there is


def test_shard_does_not_depend_on_where_the_folder_is(tmp_path: Path) -> None:
    names = [f"{index}/{index}.png" for index in range(40)]
    half = FolderOptions(recursive=True, shard=(1, 2))
    one = targets([make(tmp_path / "one", *names)], tmp_path / "out", half)
    other = targets([make(tmp_path / "two" / "x", *names)], tmp_path / "out", half)
    assert one == other
    assert 5 < len(one) < 35


def test_output_never_leaves_its_folder_through_a_link(run: Run, photo: Path, tmp_path: Path) -> None:
    top, out, elsewhere = tmp_path / "in", tmp_path / "out", make(tmp_path / "elsewhere", "x.lcdc")
    for name in ("a.png", "sub/b.png", "c.png"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(photo.read_bytes())
    out.mkdir()
    (out / "sub").symlink_to(elsewhere)
    (out / "c.lcdc").symlink_to(elsewhere / "x.lcdc")
    result = run("encode", "-r", top, "-O", out, "-f")
    assert result.code == 1
    assert result.err.count("leads out of") == 2
    assert (out / "a.lcdc").is_file()
    assert [path.name for path in elsewhere.iterdir()] == ["x.lcdc"]
    assert (elsewhere / "x.lcdc").read_bytes() == b""


def test_folder_that_cannot_be_read_is_named(
    run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def deny(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)  # root may read every folder
    result = run("encode", "-r", tmp_path, "-O", tmp_path / "out")
    assert result.code == 1
    assert f"1 of 2 inputs failed: {closed}" in result.err
    assert (tmp_path / "out" / "photo.lcdc").is_file()


def test_decode_mirrors_too(run: Run, coded: Path, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    coded.rename(tmp_path / "in" / "sub" / "a.lcdc")
    make(tmp_path / "in", "b.png")
    assert run("decode", "-r", tmp_path / "in", "-O", tmp_path / "out", "--format", "webp").code == 0
    with Image.open(tmp_path / "out" / "sub" / "a.webp") as image:
        assert image.size == (96, 64)
    assert not (tmp_path / "out" / "b.png").exists()


def test_bar_on_a_terminal(run: Run, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    result = run("encode", "-r", tmp_path, "-O", tmp_path / "out")
    assert result.code == 0
    assert "1/1" in result.err
    assert "->" in result.err.splitlines()[-1]
    assert f"{photo} ->" not in result.err  # no line a file under a bar


def test_json_lines_for_all_that_can_happen(run: Run, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("bad")
    out = tmp_path / "out"
    assert run("encode", "-r", tmp_path, "-O", out, "--json", "-n").records[1]["skipped"] == "planned"
    bad, done = run("encode", "-r", tmp_path, "-O", out, "--json").records
    assert (bad["input"], bad["exit_code"]) == (str(tmp_path / "bad.png"), 1)
    assert done["output"] == str(out / "photo.lcdc")
    records = run("encode", "-r", tmp_path, "-O", out, "--json").records
    assert records[1] == {"input": str(photo), "output": str(out / "photo.lcdc"), "skipped": "current"}
    assert json.loads(run("encode", photo, "-o", "-", "--json").err)["output"] == "-"
