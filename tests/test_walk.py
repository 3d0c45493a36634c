"""The walk through folders: what is found, what is not, and errors that stay with their entry."""

from __future__ import annotations

from pathlib import Path, PurePath

from lcodec.walk import walk


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_others_and_links(tmp_path: Path) -> None:
    make(tmp_path, "top/b.png", "top/a/C.PNG", "top/.x/d.png", "top/e.txt", "top/a/f", "else/g.png")
    (tmp_path / "top" / "out.png").symlink_to("../else/g.png")
    (tmp_path / "top" / "in.png").symlink_to("a/C.PNG")
    (tmp_path / "top" / "loop.png").symlink_to("loop.png")
    (tmp_path / "top" / "gone.txt").symlink_to("nowhere")
    found = walk(tmp_path / "top", {".png"})
    assert [name.as_posix() for name in found.files] == ["a/C.PNG", "b.png", "in.png"]
    assert found.others == {".txt": 2, "": 1}
    assert found.links == [(PurePath("loop.png"), "leads nowhere"), (PurePath("out.png"), "leads out of the folder")]
    assert PurePath("out.png") in walk(tmp_path / "top", {".png"}, links_out=True).files


def test_all_suffixes_and_a_folder_to_leave_out(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b/c.txt", "out/d.png")
    names = [name.as_posix() for name in walk(tmp_path, None, leave_out=tmp_path / "out").files]
    assert names == ["a.png", "b/c.txt"]
    assert len(walk(tmp_path / "out", None, leave_out=tmp_path).files) == 1  # around it: all of it is meant
    assert walk(tmp_path / "none", None).files == [PurePath()]  # opening it says why
