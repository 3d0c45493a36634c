"""Photos and pairs to train on: found, read as `encode` reads them, drawn by importance and by shares, and cut."""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lcodec.errors import PictureError
from lcodec.training.data import Photos, load_pairs, load_photos
from tests.support.pictures import picture
from tests.support.training import crops, folder, photos

__all__ = ["folder", "photos"]  # fixtures


def test_photos_are_found_and_bad_ones_named(photos: Photos, folder: Path) -> None:
    assert len(photos) == 4
    assert photos.skipped == [str(folder / "broken.png")]
    np.testing.assert_array_equal(photos.photo(2), picture(160, 200, seed=2))
    assert crops(photos, 5, 64, 0).shape == (5, 64, 64, 3)
    with pytest.raises(PictureError, match="no photo has"):
        photos.draw(1, 192, np.random.default_rng(0))


def test_busy_photos_are_drawn_more_often_and_count_less(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 192, 3), np.uint8)
    for name, photo in (("busy", noise), ("calm", picture(64, 64, seed=1)), ("flat", np.zeros((64, 64, 3), np.uint8))):
        Image.fromarray(photo).save(tmp_path / f"{name}.png")
    cuts = load_photos([tmp_path]).draw(20_000, 64, np.random.default_rng(0))
    drawn = np.bincount([cut.photo for cut in cuts]) / len(cuts)
    weighted = np.bincount([cut.photo for cut in cuts], [cut.weight for cut in cuts]) / len(cuts)
    assert drawn[0] > 0.7  # of three fifths of the pixels
    assert 0 < drawn[2] < 0.1  # of one fifth
    np.testing.assert_allclose(weighted, [0.6, 0.2, 0.2], atol=0.01)


def test_photos_in_tar_files_are_the_same(photos: Photos, folder: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        archive.add(folder, "photos")
    packed = load_photos([tmp_path / "photos.tar"])
    assert len(packed) == len(photos)
    assert {packed.photo(index).tobytes() for index in range(4)} == {
        photos.photo(index).tobytes() for index in range(4)
    }


@pytest.mark.parametrize("content", [b"", b"no archive" * 100, gzip.compress(b"no archive"), "w:gz", "w:xz"])
def test_what_is_no_tar_file_is_said_on_one_line(folder: Path, tmp_path: Path, content: bytes | str) -> None:
    source = tmp_path / "photos.tar"
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        with tarfile.open(source, content) as archive:  # type: ignore[call-overload]
            archive.add(folder, "photos")
    with pytest.raises(PictureError) as caught:
        load_photos([source])
    assert str(caught.value) == f"{source} is not a tar file, or is compressed or damaged"


def test_photos_beyond_memory_are_decoded_when_drawn(photos: Photos, folder: Path, tmp_path: Path) -> None:
    """The same crops come out, whatever is kept; damage that no header shows is named when it is met."""
    few = 100_000  # bytes: one photo of the four
    streamed = load_photos([folder], few)
    assert streamed.skipped == photos.skipped
    for seed in range(6):
        cuts = streamed.draw(8, 64, np.random.default_rng(seed))
        streamed.expect(streamed.draw(8, 64, np.random.default_rng(seed + 1)))
        np.testing.assert_array_equal(streamed.crops(cuts), photos.crops(cuts))
    content = (folder / "0.png").read_bytes()
    for name in ("good.png", "torn.png"):
        (tmp_path / name).write_bytes(content if name == "good.png" else content[:2000])
    torn = load_photos([tmp_path], few)
    assert torn.skipped == []
    assert torn.crops(torn.draw(8, 64, np.random.default_rng(0))).shape == (8, 64, 64, 3)
    assert torn.skipped == [str(tmp_path / "torn.png")]
    (tmp_path / "good.png").write_bytes(content[:2000])
    with pytest.raises(OSError, match="no photo of this step"):
        load_photos([tmp_path], few).crops(torn.draw(8, 64, np.random.default_rng(0)))


def test_photos_are_read_as_encode_reads_them(tmp_path: Path) -> None:
    """16 bits are rounded, grey is three equal channels, photos are upright, whether they stay in memory or not."""
    colour = picture(96, 160, seed=1)
    grey = colour[..., 1]
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "0-deep.png")
    Image.fromarray(grey).save(tmp_path / "1-grey.png")
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(colour).save(tmp_path / "2-turned.png", exif=exif)
    Image.fromarray(colour).save(tmp_path / "3-turned.tif", exif=exif)
    Image.fromarray(np.dstack((colour, grey))).save(tmp_path / "4-clear.png")
    three = grey[..., None].repeat(3, axis=2)
    upright = np.rot90(colour, -1)
    for read in (load_photos([tmp_path]), load_photos([tmp_path], 1)):
        for index, expected in enumerate((three, three, upright, upright, colour)):
            np.testing.assert_array_equal(read.photo(index), expected)
        np.testing.assert_array_equal(read.sizes, [[96, 160], [96, 160], [160, 96], [160, 96], [96, 160]])


def test_damage_of_any_kind_is_passed_over(tmp_path: Path) -> None:
    Image.fromarray(picture(96, 96, seed=1)).save(tmp_path / "good.png")
    offsets = struct.pack("<HHHLL", 1, 273, 12, 1, 8) + bytes(4)  # StripOffsets as a float: a TypeError in Pillow
    (tmp_path / "float.tif").write_bytes(b"II*\0" + struct.pack("<L", 8) + offsets)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "nothing.jpg").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dangling.png").symlink_to("nowhere")
    read = load_photos([tmp_path])
    assert len(read) == 1
    assert {Path(name).name for name in read.skipped} == {"float.tif", "nothing.jpg", "dangling.png"}
    with pytest.raises(PictureError, match=r"no photo found; unreadable: .*nothing\.jpg"):
        load_photos([tmp_path / "nothing.jpg"])


def test_kinds_have_their_shares_of_the_crops(folder: Path, tmp_path: Path) -> None:
    for name in ("screens", "lines"):
        (tmp_path / name).mkdir()
        Image.fromarray(picture(128, 128, seed=5)).save(tmp_path / name / "0.png")
    also = [(tmp_path / "screens", 0.1), (tmp_path / "lines", 0.3)]
    mixed, alone = load_photos([folder], also=also), load_photos([folder])
    cuts = mixed.draw(20_000, 64, np.random.default_rng(0))
    drawn = np.bincount(mixed.kinds[[cut.photo for cut in cuts]]) / len(cuts)
    np.testing.assert_allclose(drawn, [0.6, 0.1, 0.3], atol=0.01)
    weighted = np.bincount(mixed.kinds[[cut.photo for cut in cuts]], [cut.weight for cut in cuts]) / len(cuts)
    np.testing.assert_allclose(weighted, [0.6, 0.1, 0.3], atol=0.01)
    np.testing.assert_array_equal(mixed.chances[:4], alone.chances)
    assert cuts == load_photos([folder], 1, also=also).draw(20_000, 64, np.random.default_rng(0))
    assert mixed.fits(128)
    assert alone.fits(160)
    assert not mixed.fits(160)
    with pytest.raises(PictureError, match="no photo of one of the sources has"):
        mixed.draw(1, 160, np.random.default_rng(0))
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no photo found in one of the sources"):
        load_photos([folder], also=[(tmp_path / "empty", 0.5)])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("memory", [None, 1])
def test_a_pair_is_cut_at_one_place(tmp_path: Path, packed: bool, memory: int | None) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for name, size in (("dog-0", 96), ("dog-12", 128)):
        for end, seed in (("a", 1), ("b", 2)):
            Image.fromarray(picture(size, 96, seed=seed)).save(frames / f"{name}-{end}.png")
    Image.fromarray(picture(96, 96, seed=1)).save(frames / "cat-0-a.png")
    Image.fromarray(picture(96, 96, seed=1)).save(frames / "bird.png")
    for end, size in (("a", 96), ("b", 64)):
        Image.fromarray(picture(size, 96, seed=1)).save(frames / f"cow-1-{end}.png")
    source = frames
    if packed:
        source = tmp_path / "frames.tar"
        with tarfile.open(source, "w") as archive:
            archive.add(frames, "frames")
    pairs = load_pairs([source], memory)
    assert pairs.frames == 2
    assert sorted(map(tuple, pairs.sizes.tolist())) == [(96, 96), (128, 96)]
    assert {name.rpartition("/")[2] for name in pairs.skipped} == {"bird.png", "cat-0-a.png", "cow-1-a.png"}
    cuts = pairs.draw(8, 64, np.random.default_rng(0))
    crops = pairs.crops(cuts)
    assert crops.shape == (8, 64, 64, 6)
    for cut, crop in zip(cuts, crops, strict=True):
        height = int(pairs.sizes[cut.photo, 0])
        for seed, frame in zip((1, 2), np.split(crop, 2, axis=-1), strict=True):
            whole = picture(height, 96, seed=seed)[cut.top : cut.top + 64, cut.left : cut.left + 64]
            turned = np.rot90(whole, cut.turns)
            np.testing.assert_array_equal(frame, turned[:, ::-1] if cut.mirrored else turned)
