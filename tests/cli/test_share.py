"""What a desktop and a shell get: completions in real shells, the manual page, the file type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from lcodec.cli import COMMANDS, completion, manual
from lcodec.container import MAGIC
from tests.support.command import BLOCKED, ENVIRONMENT

from .conftest import Run

SHARE = Path(completion.__file__).parents[1] / "share"


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program}")


# ------------------------------------------------------------------------------------------------------ completions


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with files of each kind, and the command on a path of its own."""
    for name in ("a.lcdc", "b c.LCDC", "d.png", "e.txt", "m.safetensors"):
        (tmp_path / "files" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "files" / name).touch()
    (tmp_path / "files" / "sub").mkdir()
    program = tmp_path / "bin" / "lcodec"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lcodec.cli "$@"\n')
    program.chmod(0o755)
    return tmp_path / "files"


def shell(shelf: Path, *command: str) -> list[str]:
    environment = {**ENVIRONMENT, "PATH": f"{shelf.parent / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(shelf)}
    done = subprocess.run(command, cwd=shelf, env=environment, capture_output=True, text=True, check=True)
    return sorted(done.stdout.splitlines())


#: Words on the line, the last of them to be completed, and what is offered.
LINES = {
    ("dec",): ["decode"],
    ("decode", ""): ["a.lcdc", "b c.LCDC", "sub"],
    ("decode", "b"): ["b c.LCDC"],
    ("encode", "-q", "30", ""): ["d.png", "sub"],
    ("encode", "-m", "ms"): ["ms-ssim", "ms-ssim-fast", "mse", "mse-fast"],
    ("encode", "-m", "mse"): ["mse", "mse-fast"],
    ("encode", "-m", "m."): ["m.safetensors"],
    ("eval", "--codec", "avif"): ["avif-420", "avif-444"],
    ("decode", "--device", ""): ["auto", "cpu", "cuda"],
    ("completion", ""): ["bash", "fish", "zsh"],
}


#: The same of values after an =, at which bash parts words.
PARTED = {
    ("encode", "--alpha", "=", "k"): ["keep"],
    ("encode", "--alpha", "="): ["drop", "flatten", "keep"],
    ("encode", "--model", "=", "ms-ssim-f"): ["ms-ssim-fast"],
    ("encode", "--model", "=", "m."): ["m.safetensors"],
    ("encode", "--model", "=", "mse", "--alpha", "k"): ["keep"],
    ("decode", "--device", "=", "cpu", "b"): ["b c.LCDC"],
}


@needs("bash")
def test_bash(shelf: Path) -> None:
    script = """
        source <(lcodec completion bash)
        compopt() { :; }  # there is none where no line is being edited
        COMP_WORDS=(lcodec "$@") COMP_CWORD=$#
        _lcodec lcodec
        (( ${#COMPREPLY[@]} )) && printf '%s\\n' "${COMPREPLY[@]}"
    """
    for words, offered in (LINES | PARTED).items():
        assert shell(shelf, "bash", "--norc", "-c", script, "bash", *words) == offered, words


@needs("fish")
def test_fish(shelf: Path) -> None:
    lines = {"lcodec " + " ".join(words): offered for words, offered in LINES.items()}
    lines["lcodec encode --alpha=k"] = ["--alpha=keep"]
    lines["lcodec encode --model=m."] = ["--model=m.safetensors"]
    for line, offered in lines.items():
        answer = shell(
            shelf, "fish", "--no-config", "-c", "lcodec completion fish | source; complete -C $argv[1]", line
        )
        assert [item.split("\t")[0].rstrip("/") for item in answer] == offered, line


@needs("zsh")
def test_zsh_script_is_well_formed(shelf: Path) -> None:
    assert shell(
        shelf,
        "zsh",
        "-f",
        "-c",
        "autoload -U compinit; compinit -D -u; source <(lcodec completion zsh); echo $_comps[lcodec]",
    ) == ["_lcodec"]


@needs("zsh")
@pytest.mark.parametrize(("typed", "completed"), [("--alpha=k", "--alpha=keep"), ("-m ms-ssim-f", "-m ms-ssim-fast")])
def test_zsh(shelf: Path, typed: str, completed: str) -> None:
    """On a terminal of its own, by a key that completes the line, shows it, and ends the shell."""
    import pty

    started = """
        autoload -U compinit; compinit -D -u; source <(lcodec completion zsh)
        show() { zle complete-word; print -r - "<$BUFFER>"; exit }; zle -N show; bindkey "^T" show
        zle-line-init() { print -n "<""edit>" }; zle -N zle-line-init
    """
    environment = {**ENVIRONMENT, "PATH": f"{shelf.parent / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(shelf)}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, cwd=shelf, env=environment
    ) as process:
        os.close(theirs)
        said = b""
        os.write(ours, started.rstrip(" ").encode())
        while b"<edit>" not in said:
            said += os.read(ours, 1 << 16)
        os.write(ours, f"lcodec encode {typed}\x14".encode())
        process.wait(timeout=60)
    assert f"<lcodec encode {completed} >" in os.read(ours, 1 << 16).decode()
    os.close(ours)


def test_completing_imports_nothing_heavy() -> None:
    heavy = repr({"numpy", "PIL", "torch", "constriction", "safetensors", "rich"})
    program = BLOCKED.replace("{blocked!r}", heavy).replace("{error}", "AssertionError")
    for words, count in (
        ("encode -m ", 3),
        ("eval --codec ", 3),
        ("decode ", 2),
        ("train --init ", 3),
        ("models check ", 3),
    ):
        asked = {"_LCODEC_COMPLETE": "bash_complete", "COMP_WORDS": f"lcodec {words}", "COMP_CWORD": str(count)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=ENVIRONMENT | asked, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(("plain,", "suffixes,"))


def test_broken_index_does_not_disturb_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.json").write_text("{")
    monkeypatch.setenv("LCODEC_MODELS", str(tmp_path))
    context = click.Context(click.Command("encode"))
    offered = completion.models_and("webp")(context, click.Argument(["x"]), "w")
    assert [item.value for item in offered] == ["webp"]


@pytest.mark.parametrize("name", completion.SCRIPTS)
def test_completion_prints_the_script(run: Run, name: str) -> None:
    result = run("completion", name)
    assert (result.code, result.err) == (0, "")
    assert result.out == (SHARE / completion.SCRIPTS[name]).read_bytes()
    assert run("completion", "tcsh").code == 2


# ------------------------------------------------------------------------------------------------------ manual page


def test_manual_page_is_up_to_date() -> None:
    assert manual.PAGE.read_text() == manual.manual(), "remake it: python -m lcodec.cli.manual"


def test_manual_page_has_all_commands_and_exit_codes() -> None:
    page = manual.PAGE.read_text()
    for name in COMMANDS:
        assert f'.SS "lcodec {name}"' in page
    for word in (
        '.SH "EXIT CODES"',
        '.SH "ENVIRONMENT"',
        '.SS "lcodec models check"',
        "130  interrupted",
        "LCODEC_MODELS",
    ):
        assert word in page


@needs("groff")
def test_manual_page_is_well_formed() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-z", manual.PAGE], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# -------------------------------------------------------------------------------------------------------- file type


@needs("file")
def test_file_knows_streams(coded: Path, photo: Path, tmp_path: Path) -> None:
    def file(*arguments: str | Path) -> str:
        done = subprocess.run(["file", *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.strip()

    magic = SHARE / "lcodec" / "magic"
    assert file("-b", "-m", magic, coded) == "lcodec image data, version 1"
    assert file("-b", "-m", magic, "--mime-type", coded) == "image/x-lcodec"
    assert "lcodec" not in file("-b", "-m", magic, photo)
    file("-C", "-m", magic)
    assert file("-b", "-m", "magic.mgc", coded) == "lcodec image data, version 1"


def test_file_type_is_described() -> None:
    space = "{http://www.freedesktop.org/standards/shared-mime-info}"
    (kind,) = ElementTree.parse(SHARE / "mime" / "packages" / "lcodec.xml").getroot()
    match, glob = kind.find(f"{space}magic/{space}match"), kind.find(f"{space}glob")
    assert match is not None
    assert glob is not None
    assert (kind.get("type"), glob.get("pattern"), match.get("offset")) == ("image/x-lcodec", "*.lcdc", "0")
    assert (match.get("value") or "").encode().decode("unicode_escape").encode("latin-1") == MAGIC


@needs("update-mime-database")
def test_desktop_takes_the_file_type(tmp_path: Path) -> None:
    shutil.copytree(SHARE / "mime", tmp_path / "mime")
    subprocess.run(["update-mime-database", tmp_path / "mime"], capture_output=True, check=True)
    assert "image/x-lcodec:*.lcdc" in (tmp_path / "mime" / "globs").read_text()
    assert MAGIC in (tmp_path / "mime" / "magic").read_bytes()
