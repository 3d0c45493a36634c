"""What `import lcodec` offers: arrays and images in and out, the command's options as keywords, errors, pickling."""

from __future__ import annotations

import ast
import copy
import inspect
import multiprocessing
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import lcodec
from lcodec import codec, face
from lcodec.cli import COMMANDS
from lcodec.defaults import EFFORT, QUALITY
from lcodec.execution import engine
from lcodec.picture import METADATA, Picture
from lcodec.zoo import Zoo
from tests.support.files import DISPLAY_P3
from tests.support.pictures import picture

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "v1"
GREY, PIXELS = picture(40, 56, 1), picture(40, 56)
DATA = lcodec.encode(PIXELS, effort=0)


# ---------------------------------------------------------------------------------------------------------- the names


def test_names_are_sorted_resolvable_and_documented() -> None:
    assert lcodec.__all__ == sorted(lcodec.__all__)
    assert set(lcodec.__all__) <= set(dir(lcodec))
    for name in set(lcodec.__all__) - {"__version__"}:
        assert len(inspect.getdoc(getattr(lcodec, name)) or "") > 20, name
    with pytest.raises(AttributeError, match="module 'lcodec' has no attribute 'decoed'"):
        _ = lcodec.decoed  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "lcodec" / "__init__.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported - {"TYPE_CHECKING", "face"} | {"__version__"} == set(lcodec.__all__)
    assert (ROOT / "lcodec" / "py.typed").exists()


def test_importing_it_imports_nothing_heavy() -> None:
    program = """
import sys, lcodec
assert not {"numpy", "PIL", "torch", "click", "lcodec.codec"} & set(sys.modules)
assert callable(lcodec.encode) and "numpy" in sys.modules
assert not {"PIL", "torch"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def parameters(function: Callable[..., Any]) -> dict[str, Any]:
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_keywords_are_options_of_the_command(name: str) -> None:
    assert name in COMMANDS
    command = getattr(import_module(f"lcodec.cli.{name}"), name)
    values = command.make_context(name, ["x"]).params
    options = {
        option.opts[-1].removeprefix("--").replace("-", "_"): values[option.name]
        for option in command.params
        if option.expose_value
    }
    keywords = parameters(getattr(lcodec, name))
    if name == "encode":
        assert keywords["quality"] is None  # a target may take its place
        keywords |= {"quality": QUALITY, "metadata": METADATA}  # which is all
    else:
        del keywords["model"]
    assert keywords == {keyword: options[keyword] for keyword in keywords}


def test_the_lists_of_keywords_agree() -> None:
    for function, listed in ((face.encode, face.EncodeOptions), (face.decode, face.DecodeOptions)):
        assert list(parameters(function)) == list(listed.__annotations__)


# ------------------------------------------------------------------------------------------------------- there and back


@settings(max_examples=30)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, 1, 2, 3, 4]), st.integers(0, 99))
def test_round_trip_of_every_shape(height: int, width: int, channels: int | None, seed: int) -> None:
    samples = picture(height, width, channels or 1, seed)
    if channels is None:
        samples = samples[:, :, 0]
    data = lcodec.encode(samples, quality=90, effort=0)
    decoded = lcodec.decode(data)
    opaque = channels in {2, 4} and samples[:, :, -1].min() == 255
    shape = samples.shape if channels != 1 else samples.shape[:2]
    assert opaque or decoded.shape == shape
    assert decoded.dtype == np.uint8
    assert decoded.flags.writeable
    if channels in {2, 4} and not opaque:
        assert (decoded[:, :, -1] == samples[:, :, -1]).all()
    said = lcodec.info(data)
    assert (said.shape, said.bytes, said.quality, said.model) == (decoded.shape, len(data), 90, "mse")
    image = lcodec.decode_image(data)
    assert (np.asarray(image) == decoded).all()
    assert image.mode == {2: "L", 3: {2: "LA", 3: "RGB", 4: "RGBA"}.get(decoded.shape[-1])}[decoded.ndim]


def test_the_default_is_that_of_the_command(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    command = [sys.executable, "-m", "lcodec.cli", "encode", str(tmp_path / "x.png"), "--quiet"]
    subprocess.run(command, check=True)
    assert lcodec.encode(PIXELS) == (tmp_path / "x.lcdc").read_bytes()
    assert lcodec.encode(PIXELS) == lcodec.encode(PIXELS, quality=50, effort=EFFORT, model="mse")


def test_any_order_of_samples_in_memory() -> None:
    assert lcodec.encode(PIXELS[::-1, ::-1], effort=0) == lcodec.encode(PIXELS[::-1, ::-1].copy(), effort=0)
    assert lcodec.encode(np.asfortranarray(PIXELS), effort=0) == DATA
    assert lcodec.encode(Picture(PIXELS), effort=0) == lcodec.encode(Image.fromarray(PIXELS), effort=0) == DATA
    for data in (bytearray(DATA), memoryview(DATA), np.frombuffer(DATA, np.uint8)):
        assert (lcodec.decode(data) == lcodec.decode(DATA)).all()  # type: ignore[arg-type]
        assert lcodec.info(data) == lcodec.info(DATA)  # type: ignore[arg-type]


def test_metadata_travel_with_images() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a maker"
    image = Image.fromarray(PIXELS)
    image.info |= {"icc_profile": DISPLAY_P3, "exif": exif.tobytes(), "xmp": b"<x/>"}
    back = lcodec.decode_image(lcodec.encode(image, effort=0))
    assert (back.size, back.getexif()[0x0112], back.getexif()[0x010F]) == ((40, 56), 1, "a maker")
    assert (back.info["icc_profile"], back.info["xmp"]) == (DISPLAY_P3, b"<x/>")
    again = lcodec.decode_image(lcodec.encode(back, effort=0))
    assert again.info == back.info
    some = lcodec.decode_image(lcodec.encode(image, effort=0, metadata=["xmp"]))
    assert some.info == lcodec.decode_image(lcodec.encode(image, effort=0, metadata="xmp")).info == {"xmp": b"<x/>"}
    assert not lcodec.decode_image(lcodec.encode(image, effort=0, metadata="none")).info


def test_alpha_as_in_the_command() -> None:
    alpha = np.full((40, 56), 255, np.uint8)
    assert lcodec.encode(np.dstack([PIXELS, alpha]), effort=0) == DATA
    alpha[:20] = 0
    both = np.dstack([PIXELS, alpha])
    assert lcodec.decode(lcodec.encode(both, effort=0)).shape == (40, 56, 4)
    assert lcodec.encode(both, effort=0, alpha="drop") == DATA
    flat = PIXELS.copy()
    flat[:20] = 0, 0, 255
    assert lcodec.encode(both, effort=0, alpha="flatten", background="blue") == lcodec.encode(flat, effort=0)


def test_targets() -> None:
    large = picture(180, 180)
    assert len(lcodec.encode(large, effort=0, max_size=4000)) <= 4000
    assert lcodec.info(lcodec.encode(large, effort=0, bpp=np.float32(1.5))).bpp <= 1.5  # type: ignore[arg-type]
    decoded = lcodec.decode(lcodec.encode(large, effort=0, min_psnr=30))
    assert np.square(decoded.astype(float) - large).mean() <= 255**2 / 10**3
    low, high = (lcodec.info(lcodec.encode(large, effort=0, min_ms_ssim=floor)) for floor in (0.8, 0.97))
    assert low.quality < high.quality


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "x.lcdc"
    lcodec.write(path, PIXELS, effort=0)
    assert path.read_bytes() == DATA
    assert (lcodec.read(str(path)) == lcodec.decode(DATA)).all()
    assert lcodec.read_image(path).tobytes() == lcodec.decode_image(DATA).tobytes()
    (tmp_path / "link.lcdc").symlink_to(path)
    lcodec.write(tmp_path / "link.lcdc", GREY, effort=0)
    assert lcodec.read(path).shape == (40, 56)
    with pytest.raises(lcodec.LimitError):
        lcodec.write(path, PIXELS, max_size=5)
    assert lcodec.read(path).shape == (40, 56)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.lcdc", "x.lcdc"]


def test_a_model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "own.safetensors"
    shutil.copy(next(GOLDEN.glob("*.safetensors")), model)
    data = lcodec.encode(PIXELS, model=model, effort=0)
    assert lcodec.info(data).model == "own"
    face._zoo_of.cache_clear()
    assert lcodec.info(data).model is None
    with pytest.raises(lcodec.ModelError, match="not installed"):
        lcodec.decode(data)
    assert lcodec.decode(data, model=model).shape == PIXELS.shape
    face._zoo_of.cache_clear()
    monkeypatch.setenv("LCODEC_MODELS", str(GOLDEN))
    assert lcodec.decode(data).shape == PIXELS.shape
    assert lcodec.info(data).model == "golden"


# ------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("image", "options", "error", "words"),
    [
        (PIXELS.astype(float), {}, lcodec.PictureError, r"8-bit samples of shape .*, not float64 \(40, 56, 3\)"),
        (PIXELS > 9, {}, lcodec.PictureError, "not bool"),
        (PIXELS[:, 0, 0], {}, lcodec.PictureError, r"not uint8 \(40,\)"),
        (np.uint8(3), {}, TypeError, "NumPy array or a Pillow image, not uint8"),
        (picture(4, 4, 5), {}, lcodec.PictureError, r"not uint8 \(4, 4, 5\)"),
        (PIXELS[None], {}, lcodec.PictureError, r"not uint8 \(1, 40, 56, 3\)"),
        (PIXELS[:0], {}, lcodec.PictureError, r"empty \(56x0\)"),
        (picture(4, 4, 4)[:, :0], {}, lcodec.PictureError, r"empty \(0x4\)"),
        (PIXELS[:, :, :0], {}, lcodec.PictureError, r"not uint8 \(40, 56, 0\)"),
        (Image.new("L", (0, 5)), {}, lcodec.PictureError, r"empty \(0x5\)"),
        (Image.new("CMYK", (4, 4)), {}, lcodec.PictureError, "mode CMYK"),
        (PIXELS.tolist(), {}, TypeError, "NumPy array or a Pillow image, not list"),
        ("photo.jpg", {}, TypeError, "not str"),
        (None, {}, TypeError, "not NoneType"),
        (PIXELS, {"quality": 100.5}, lcodec.UsageError, "quality must be 0 to 100"),
        (PIXELS, {"quality": float("nan")}, lcodec.UsageError, "quality must be 0 to 100"),
        (PIXELS, {"quality": "60"}, TypeError, "quality must be a number, not '60'"),
        (PIXELS, {"bpp": 0}, lcodec.UsageError, "bpp must be over 0"),
        (PIXELS, {"min_psnr": float("inf")}, lcodec.UsageError, "min_psnr must be over 0 and finite"),
        (PIXELS, {"min_ms_ssim": 1}, lcodec.UsageError, "min_ms_ssim must be over 0 and below 1"),
        (PIXELS, {"max_size": "40k"}, TypeError, "max_size must be a number"),
        (PIXELS, {"bpp": 1, "max_size": 9}, lcodec.UsageError, "bpp and max_size exclude each other"),
        (PIXELS, {"quality": 50, "bpp": 1}, lcodec.UsageError, "quality and bpp exclude each other"),
        (PIXELS, {"max_size": 9}, lcodec.LimitError, "out of reach"),
        (PIXELS, {"min_ms_ssim": 0.9}, lcodec.LimitError, "161"),
        (PIXELS, {"effort": 10}, lcodec.UsageError, "effort must be 0 to 9"),
        (PIXELS, {"effort": 1.5}, TypeError, "effort must be an integer, not 1.5"),
        (PIXELS, {"effort": True}, TypeError, "effort must be an integer, not True"),
        (PIXELS, {"quality": True}, TypeError, "quality must be a number, not True"),
        (PIXELS, {"model": None}, TypeError, "model must be a name or a path, not None"),
        (PIXELS, {"model": b"mse"}, TypeError, "model must be a name or a path, not b'mse'"),
        (PIXELS, {"model": ""}, lcodec.ModelError, "name of the model is empty"),
        (PIXELS, {"model": "nonesuch"}, lcodec.ModelError, "no model named 'nonesuch'"),
        (PIXELS, {"alpha": "premultiply"}, lcodec.UsageError, "alpha is one of keep, drop, flatten"),
        (PIXELS, {"alpha": "flatten", "background": "x"}, lcodec.UsageError, "'x'"),
        (PIXELS, {"metadata": "icc,dpi"}, lcodec.UsageError, "not 'dpi'"),
        (PIXELS, {"metadata": ["all"]}, lcodec.UsageError, "not 'all'"),
        (PIXELS, {"device": "gpu"}, lcodec.UsageError, "device is one of auto, cpu, cuda, not 'gpu'"),
        (PIXELS, {"max_pixels": 100}, lcodec.LimitError, "56x40 is over the limit of 100 pixels"),
        (Image.new("L", (11, 11)), {"max_pixels": 100}, lcodec.LimitError, "11x11 is over the limit"),
        (PIXELS, {"max_pixels": 0}, lcodec.UsageError, "max_pixels must be at least 1"),
        (PIXELS, {"memory": 64 << 20}, lcodec.LimitError, r"at least \d+ MiB, and memory is limited to 64 MiB$"),
        (PIXELS, {"memory": "1G"}, TypeError, "memory must be an integer"),
        (PIXELS, {"qualty": 50}, TypeError, "qualty"),
    ],
)
def test_what_encode_refuses(image: Any, options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        lcodec.encode(image, **options)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("data", "options", "error", "words"),
    [
        (b"", {}, lcodec.DamagedError, "empty"),
        (b"GIF89a", {}, lcodec.DamagedError, "not an lcodec file"),
        (DATA[:-1], {}, lcodec.DamagedError, "truncated"),
        (DATA[:-1] + bytes([DATA[-1] ^ 1]), {}, lcodec.DamagedError, "checksum"),
        ("x.lcdc", {}, TypeError, "bytes, not str"),
        (7, {}, TypeError, "bytes, not int"),
        (DATA, {"max_pixels": 100}, lcodec.LimitError, "over the limit"),
        (DATA, {"max_pixels": 1e9}, TypeError, "max_pixels must be an integer"),
        (DATA, {"memory": 64 << 20}, lcodec.LimitError, r"at least \d+ MiB, and memory is limited to 64 MiB$"),
        (DATA, {"device": "gpu"}, lcodec.UsageError, "device"),
        (DATA, {"realism": False}, TypeError, "realism must be a number, not False"),
        (DATA, {"model": 7}, TypeError, "model must be a name or a path, not 7"),
        (DATA, {"model": "nonesuch.safetensors"}, lcodec.ModelError, "nonesuch"),
        (next(GOLDEN.glob("*rgb*.lcdc")).read_bytes(), {}, lcodec.ModelError, "not installed"),
    ],
)
@pytest.mark.parametrize("function", ["decode", "decode_image"])
def test_what_decode_refuses(function: str, data: Any, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        getattr(lcodec, function)(data, **options)
    assert type(caught.value) is error


def test_what_info_refuses() -> None:
    for data in (b"", b"GIF89a", DATA[:9]):
        with pytest.raises(lcodec.DamagedError):
            lcodec.info(data)
    with pytest.raises(TypeError, match="bytes, not PosixPath"):
        lcodec.info(Path("x.lcdc"))  # type: ignore[arg-type]
    assert lcodec.info(DATA[:60]) == lcodec.info(DATA)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    for function in (lcodec.read, lcodec.read_image):
        with pytest.raises(FileNotFoundError, match=re.escape("x.lcdc")):
            function(tmp_path / "x.lcdc")
    (tmp_path / "photo.jpg").write_bytes(b"a photo")
    with pytest.raises(lcodec.UsageError, match=r"ends in \.lcdc"):
        lcodec.write(tmp_path / "photo.jpg", PIXELS)
    assert (tmp_path / "photo.jpg").read_bytes() == b"a photo"
    (tmp_path / "folder.lcdc").mkdir()
    for path in (tmp_path / "nonesuch" / "x.lcdc", tmp_path / "folder.lcdc"):
        with pytest.raises(OSError, match=re.escape(f"'{path}'")) as caught:
            lcodec.write(path, PIXELS, effort=0)
        assert ".part" not in str(caught.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.lcdc", "photo.jpg"]


def test_a_machine_that_is_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise lcodec.SelfTestError("not exact")

    monkeypatch.setattr(engine, "self_test", fail)
    for call in (lambda: lcodec.encode(PIXELS), lambda: lcodec.decode(DATA)):
        with pytest.raises(lcodec.SelfTestError):
            call()


# ----------------------------------------------------------------------------------------------------------- pickling


@pytest.fixture
def used() -> Zoo:
    """Models by name, and by the path of a file, that have coded and decoded."""
    zoo = Zoo()
    for model in (zoo.load("mse"), zoo.load(str(next(GOLDEN.glob("*.safetensors"))))):
        codec.decode(codec.encode(Picture(PIXELS), model, 50, effort=1), zoo)
    return zoo


@pytest.mark.parametrize("copied", [lambda zoo: pickle.loads(pickle.dumps(zoo)), copy.deepcopy, copy.copy])
def test_zoo_and_models_can_be_pickled_after_use(used: Zoo, copied: Callable[[Any], Any]) -> None:
    zoo = copied(used)
    assert (codec.decode(DATA, zoo).pixels == lcodec.decode(DATA)).all()
    for path in sorted(GOLDEN.glob("*9*-rgb-*.lcdc"))[:1]:  # its model is at hand as a file alone
        assert codec.decode(path.read_bytes(), zoo).pixels.any()
    model = used.load("mse")
    again = copied(model)
    assert "entropy" in vars(model)
    assert not {"entropy", "encoder", "decoder"} & set(vars(again))
    assert codec.encode(Picture(PIXELS), again, 50) == DATA


def test_a_pickled_zoo_is_small_unless_it_was_given_files(used: Zoo) -> None:
    file = Zoo().load(str(next(GOLDEN.glob("*.safetensors"))))
    assert len(pickle.dumps(used)) < len(pickle.dumps(file)) + 1000


def test_processes_that_are_spawned(used: Zoo) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        decoded = pool.apply(codec.decode, (DATA, used), {"device": "cpu"})
        assert (decoded.pixels == lcodec.decode(DATA)).all()
        assert pool.apply(lcodec.encode, (PIXELS,), {"effort": 0}) == DATA
        with pytest.raises(lcodec.DamagedError):
            pool.apply(lcodec.decode, (DATA[:-1],))


def test_workers_of_a_data_loader(used: Zoo, tmp_path: Path) -> None:
    from torch.utils.data import DataLoader

    from tests.support.dataset import Coded

    paths = [tmp_path / f"{i}.lcdc" for i in range(3)]
    for i, path in enumerate(paths):
        lcodec.write(path, picture(24, 32, seed=i), effort=0)
    loader = DataLoader(Coded(paths, used), batch_size=2, num_workers=1, multiprocessing_context="spawn")
    batches = [batch.numpy() for batch in loader]
    assert (np.concatenate(batches) == [lcodec.read(path) for path in paths]).all()


# ------------------------------------------------------------------------------------------------------------- README


def test_the_code_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (ROOT / "README.md").read_text().split("\n## In Python\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(blocks) == 3
    with Image.open(ROOT / "tests" / "data" / "photo.jpg") as photo:
        for suffix in ("jpg", "png"):
            photo.crop((300, 200, 480, 380)).save(tmp_path / f"photo.{suffix}")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    assert names["pixels"].shape == (180, 180, 3)
    assert (tmp_path / "photo.lcdc").stat().st_size < 10_000
    (photo,) = names["Photos"]("*.lcdc")
    assert photo.shape == (3, 180, 180)
