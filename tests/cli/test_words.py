"""Habits of other tools, slips of the pen, and variables: what is meant is understood, or said in plain words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from PIL import Image

from lcodec.cli import COMMANDS, group, manual
from lcodec.zoo import Zoo

from .conftest import Run


def options_of(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Option]]:
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and "--version" not in option.opts:
            yield words, option
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options_of(inner, (*words, name))


ALL_OPTIONS = list(options_of(group, ()))


def long_name(option: click.Option) -> str:
    return next(name for name in option.opts if name.startswith("--"))


# -------------------------------------------------------------------------------------------------------- variables


def test_every_option_has_the_variable_of_its_own_name() -> None:
    page = manual.PAGE.read_text().replace("\\-", "-")
    assert len(ALL_OPTIONS) > 50
    for words, option in ALL_OPTIONS:
        name = "_".join(["LCODEC", *words, long_name(option)[2:]]).replace("-", "_").upper()
        assert option.envvar, name
        assert option.envvar[0] == name
        assert name in page


@pytest.mark.parametrize(
    ("variable", "value", "suffix"),
    [
        ("LCODEC_DECODE_FORMAT", "webp", ".webp"),
        ("LCODEC_DECODE_FORMAT", "JPEG", ".jpg"),
        ("LCODEC_DECODE_QUIET", "1", ".png"),
    ],
)
def test_variables_are_heard(
    run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, suffix: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = run("decode", coded)
    assert (result.code, coded.with_suffix(suffix).is_file()) == (0, True)
    assert (result.err == "") is (variable == "LCODEC_DECODE_QUIET")


def test_own_variable_before_the_shared_one(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LCODEC_QUALITY", "10")
    assert 8 < run("encode", photo, "-o", photo.with_name("a.lcdc"), "--json").records[0]["quality"] <= 10
    monkeypatch.setenv("LCODEC_ENCODE_QUALITY", "20")
    assert 18 < run("encode", photo, "-o", photo.with_name("b.lcdc"), "--json").records[0]["quality"] <= 20


def test_folder_without_models_is_said_once(run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = coded.with_name("none")
    monkeypatch.setenv("LCODEC_MODELS", f"{Zoo().folders[-1]}{os.pathsep}{bad}")
    result = run("info", coded, coded)
    assert (result.code, result.err) == (0, f"lcodec: note: LCODEC_MODELS names {bad}, which has no index.json\n")


# ------------------------------------------------------------------------------------------------ the same everywhere


def test_a_letter_means_the_same_in_every_command() -> None:
    meanings = {"-O": {"--output-dir", "--out"}, "-j": {"--jobs"}, "-q": {"--quality"}, "-r": {"--recursive"}}
    meanings |= {"-f": {"--force"}, "-n": {"--dry-run"}, "-m": {"--model"}, "-o": {"--output"}}
    for _, option in ALL_OPTIONS:
        for letter in set(option.opts) & set(meanings):
            assert long_name(option) in meanings[letter]
        assert "-v" not in option.opts
    given = {words[0]: set() for words, _ in ALL_OPTIONS if words}
    for words, option in ALL_OPTIONS:
        if words:
            given[words[0]] |= set(option.opts)
    for command in ("encode", "decode", "eval", "train"):
        assert {"-O", "-j"} <= given[command]


def test_version_everywhere(run: Run) -> None:
    said = run("--version").out
    for words in ([], *([name] for name in COMMANDS)):
        assert run(*words, "-V").out == said


# -------------------------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["encod", "a.png"], "'encod' is not a command (lcodec encode?)"),
        (["a.PNG"], "'a.PNG' is not a command (lcodec encode a.PNG?)"),
        (["a.lcdc"], "'a.lcdc' is not a command (lcodec decode a.lcdc?)"),
        (["xyz"], "'xyz' is not a command"),
        (["encode", "-q", "abc", "a.png"], "'abc' is not a number from 0 to 100."),
        (["encode", "-q", "nan", "a.png"], "'nan' is not a number from 0 to 100."),
        (["encode", "-e", "1.5", "a.png"], "'1.5' is not a whole number from 0 to 9."),
        (["encode", "--bpp", "0", "a.png"], "'0' is not a number over 0."),
        (["encode", "--min-ms-ssim", "1", "a.png"], "'1' is not a number over 0 and under 1."),
        (["encode", "-j", "0", "a.png"], "'0' is not a whole number of at least 1."),
        (["encode", "https://example.org/a.png"], "https://example.org/a.png is not a file (lcodec does not download)"),
        (["info", "http://example.org/a.lcdc"], "http://example.org/a.lcdc is not a file (lcodec does not download)"),
        (["eval", "ftp://example.org/a.png"], "ftp://example.org/a.png is not a file (lcodec does not download)"),
        (["encode", ""], "the name is empty."),
        (["encode", "a.png", "-O", ""], "the name is empty."),
        (["encode", "a.png", "a.lcdc"], "use -o a.lcdc"),
        (["decode", "a.lcdc", "a.jpeg"], "use -o a.jpeg"),
        (["info", "."], ". is a folder (-r takes what is in it)"),
    ],
)
def test_slips_are_named(run: Run, arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert said in result.err.splitlines()[0]


def test_output_as_a_second_input_writes_nothing(run: Run, coded: Path) -> None:
    result = run("decode", coded, coded.with_name("out.png"))
    assert (result.code, "use -o" in result.err) == (2, True)
    assert [path.name for path in coded.parent.iterdir()] == [coded.name]


@pytest.mark.parametrize(("name", "form"), [("jpeg", "JPEG"), ("TIF", "TIFF"), (".png", "PNG")])
def test_formats_by_their_suffixes(run: Run, coded: Path, name: str, form: str) -> None:
    assert run("decode", coded, "--format", name, "-o", coded.with_name("x")).code == 0
    with Image.open(coded.with_name("x")) as image:
        assert image.format == form


def test_suffix_that_does_not_fit_is_noted(run: Run, photo: Path, coded: Path) -> None:
    web = photo.with_name("a.webp")
    for arguments in (
        ["encode", photo, "-o", web],
        ["decode", coded, "-o", photo.with_name("b.jpg"), "--format", "png"],
    ):
        assert run(*arguments).err.count(": note: ") == 1
        assert ": note: " not in run(*arguments, "-f", "--quiet").err
    assert ": note: " not in run("decode", coded, "-o", photo.with_name("c.jpeg"), "--format", "jpg").err


# -------------------------------------------------------------------------------------------------- models of one's own


def test_decode_with_a_model_by_name_and_by_file(run: Run, coded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = coded.with_name("own.safetensors")
    shutil.copy(Zoo().folders[-1] / "mse.safetensors", file)
    plain = run("decode", coded, "-o", "-", "--format", "npy").out
    for name in ("mse", file):
        assert run("decode", coded, "-m", name, "-o", "-", "--format", "npy").out == plain
    other = run("decode", coded, "-m", "ms-ssim")
    assert (other.code, "cannot decode what" in other.err) == (4, True)
    monkeypatch.setattr(Zoo, "folders", [coded.parent], raising=False)
    monkeypatch.setattr(Zoo, "__init__", lambda self: self.__dict__.update(_loaded={}, _given={}))
    from lcodec.cli.batch import coding

    coding._zoo_of.cache_clear()
    missing = run("decode", coded)
    assert missing.code == 4
    assert "the option model names its file, LCODEC_MODELS its folder" in missing.err
    assert run("decode", coded, "-m", file, "-o", "-", "--format", "npy").out == plain
    coding._zoo_of.cache_clear()


def test_info_of_folders(run: Run, coded: Path) -> None:
    (coded.parent / "sub").mkdir()
    shutil.copy(coded, coded.parent / "sub" / "b.lcdc")
    (coded.parent / "c.txt").touch()
    found = run("info", "-r", "--json", coded.parent).records
    assert [Path(record["input"]).name for record in found] == ["coded.lcdc", "b.lcdc"]
