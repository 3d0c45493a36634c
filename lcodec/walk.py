"""What is in a folder: the one walk that encoding, decoding, comparing and training share.

Hidden files and folders are left out, and links to folders are not followed, which is also why loops of them end. An
error is that of its entry alone: what cannot be looked at counts as a file, so that reading it says what is wrong.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePath

__all__ = ["Walk", "walk"]


@dataclass
class Walk:
    """The files of a folder, and what is none of them. Names are relative to the folder."""

    files: list[PurePath] = field(default_factory=list)  #: sorted
    others: Counter[str] = field(default_factory=Counter)  #: suffix in lower case -> files that have it
    links: list[tuple[PurePath, str]] = field(default_factory=list)  #: that are not followed, and why


def walk(
    top: Path, suffixes: Collection[str] | None, *, leave_out: Path | None = None, links_out: bool = False
) -> Walk:
    """Look through a folder and those in it.

    Args:
        top: the folder.
        suffixes: of files that are wanted, in lower case and with their dots; None for all.
        leave_out: a folder that is passed over if it lies in this one; one that is this folder, or is around it, is
            not.
        links_out: whether links to files elsewhere are followed.
    """
    real_top = Path(os.path.realpath(top))
    passed_over = None if leave_out is None else Path(os.path.realpath(leave_out))
    if passed_over is not None and real_top.is_relative_to(passed_over):
        passed_over = None
    found = Walk()
    folders = [PurePath()]
    while folders:
        inside = folders.pop()
        try:
            with os.scandir(top / inside) as listed:
                entries = list(listed)
        except OSError:
            found.files.append(inside)  # opening it says why
            continue
        for entry in entries:
            name = inside / entry.name
            if entry.name.startswith("."):
                continue
            link, folder, regular = _kind(entry)
            if link:
                _sort_link(found, top / name, name, suffixes, None if links_out else real_top)
            elif not folder:
                _sort_file(found, name, suffixes, regular=regular)
            elif passed_over is None or Path(os.path.realpath(top / name)) != passed_over:
                folders.append(name)
    found.files.sort()
    found.links.sort()
    return found


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool, bool]:
    """Whether it is a link, a folder, a regular file; one that cannot be looked at counts as a file."""
    try:
        return entry.is_symlink(), entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
    except OSError:
        return False, False, True


def _sort_file(found: Walk, name: PurePath, suffixes: Collection[str] | None, *, regular: bool = True) -> None:
    if not regular or (suffixes is not None and name.suffix.lower() not in suffixes):
        found.others[name.suffix.lower()] += 1
    else:
        found.files.append(name)


def _sort_link(found: Walk, path: Path, name: PurePath, suffixes: Collection[str] | None, within: Path | None) -> None:
    """Put a symbolic link where it belongs; one that leads out of the folder `within` is not followed."""
    wanted = suffixes is None or name.suffix.lower() in suffixes
    try:
        mode = path.stat().st_mode
    except PermissionError:
        mode = stat.S_IFREG  # reading it says what is wrong
    except OSError:  # nothing is there, or it leads to itself
        if wanted:
            found.links.append((name, "leads nowhere"))
        else:
            found.others[name.suffix.lower()] += 1
        return
    if stat.S_ISDIR(mode):
        found.links.append((name, "leads to a folder"))
    elif wanted and within is not None and not Path(os.path.realpath(path)).is_relative_to(within):
        found.links.append((name, "leads out of the folder"))
    else:
        _sort_file(found, name, suffixes, regular=stat.S_ISREG(mode))
