"""Every kind of picture right, or told broken; nothing silently wrong."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image
from tests.data.hostile import deep_png, encoded, pixels, png

from kontrast.data.pixels.decode import Broken, decode, to_channels, to_depth

RGB = pixels(12, 10, 3)


def test_rgb_is_channels_first() -> None:
    assert np.array_equal(decode(png()), RGB.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_keeps_one_channel(mode: str) -> None:
    grey = Image.fromarray(RGB).convert("L")
    got = decode(encoded(grey.convert(mode)))
    assert got.shape == (1, 12, 10) and got.dtype == np.uint8
    if mode != "1":
        assert np.array_equal(got[0], np.array(grey))


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_becomes_rgb(kind: str) -> None:
    red = Image.new("RGB", (16, 16), (200, 30, 40)).convert("CMYK")
    got = decode(encoded(red, kind)).mean(axis=(1, 2))
    assert got.shape == (3,) and np.abs(got - [200, 30, 40]).max() < 6


def test_palette_and_its_transparency() -> None:
    picture = Image.new("P", (4, 4))
    picture.putpalette([10, 20, 30, 200, 0, 0])
    picture.putpixel((0, 0), 1)
    plain = decode(encoded(picture))
    assert plain[:, 0, 0].tolist() == [200, 0, 0] and plain[:, 1, 1].tolist() == [10, 20, 30]
    clear = decode(encoded(picture, transparency=0))
    assert clear[:, 1, 1].tolist() == [255, 255, 255] and clear[:, 0, 0].tolist() == [200, 0, 0]


def test_transparent_pixels_lie_on_white() -> None:
    layered = np.dstack([RGB, np.full((12, 10), 255, np.uint8)])
    layered[0, 0] = [9, 9, 9, 0]
    layered[0, 1] = [0, 0, 0, 128]
    got = decode(encoded(Image.fromarray(layered)))
    assert got[:, 0, 0].tolist() == [255, 255, 255]
    assert abs(int(got[0, 0, 1]) - 127) <= 1
    assert np.array_equal(got[:, 1:], RGB.transpose(2, 0, 1)[:, 1:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_applied(kind: str) -> None:
    wide = np.zeros((16, 32, 3), np.uint8)
    wide[:, :16] = 255
    turn = Image.Exif()
    turn[0x0112] = 6  # to be turned by 90 degrees clockwise: the white left half comes to the top
    got = decode(encoded(Image.fromarray(wide), kind, exif=turn))
    assert got.shape == (3, 32, 16)
    assert got[:, :12].mean() > 240 and got[:, 20:].mean() < 15


def test_sixteen_bits_stay_sixteen() -> None:
    ramp = (np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)
    for kind in ("PNG", "TIFF"):
        got = decode(encoded(Image.fromarray(ramp), kind))
        assert got.dtype == np.uint16 and np.array_equal(got[0], ramp)
        assert len(np.unique(got)) > 256


def test_sixteen_bit_colour_keeps_its_lower_byte() -> None:
    values = np.random.default_rng(1).integers(0, 65536, (5, 7, 4)).astype(np.uint16)
    assert np.array_equal(decode(deep_png(values[..., :3])), values[..., :3].transpose(2, 0, 1))
    values[..., 3] = 65535
    assert np.array_equal(decode(deep_png(values)), values[..., :3].transpose(2, 0, 1))
    values[..., 3] = 0
    assert (decode(deep_png(values)) == 65535).all()


def test_one_pixel() -> None:
    assert decode(encoded(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1]], [[2]], [[3]]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_twenty_megapixels_are_shrunk_and_look_the_same(kind: str) -> None:
    small = Image.fromarray(pixels(40, 54)).resize((540, 400), Image.Resampling.BICUBIC)
    factor = 4 if kind == "JPEG" else 2  # 21.6 and 5.4 megapixels; PNG is slow to write
    large = small.resize((1350 * factor, 1000 * factor), Image.Resampling.BICUBIC)
    got = decode(encoded(large, kind), shorter_side=600)
    assert got.shape == (3, 1000, 1350)
    expected = np.asarray(large.resize((1350, 1000), Image.Resampling.BOX)).transpose(2, 0, 1).astype(float)
    assert np.abs(got - expected).mean() < 1.5
    assert decode(encoded(large.resize((540, 400)), kind), shorter_side=512).shape == (3, 400, 540)


def test_truncated_files_are_broken() -> None:
    picture = Image.fromarray(pixels(60, 60))
    for raw in (encoded(picture, "JPEG"), encoded(picture), encoded(picture, "WEBP"), encoded(picture, "GIF")):
        for length in (0, 3, 20, len(raw) // 2):
            with pytest.raises(Broken):
                decode(raw[:length])


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    for side in (9_500, 20_000):
        raw = encoded(Image.new("1", (side, side)))
        assert len(raw) < 60_000
        with pytest.raises(Broken, match="bomb"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # below twice the limit Pillow itself only warns
            decode(raw)


def test_other_things_are_named_in_words() -> None:
    with pytest.raises(Broken, match="not a picture"):
        decode(b"<html>404</html>")
    with pytest.raises(Broken, match="empty"):
        decode(b"")
    with pytest.raises(Broken, match="floating-point"):
        decode(encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"))


def test_grey_and_colour_into_each_other() -> None:
    grey = pixels(4, 4, 1)[None]
    assert np.array_equal(to_channels(grey, 3), np.repeat(grey, 3, axis=0))
    expected = np.asarray(Image.fromarray(RGB).convert("L")).astype(int)
    assert np.abs(to_channels(RGB.transpose(2, 0, 1), 1)[0].astype(int) - expected).max() <= 1


def test_depths_go_there_and_back() -> None:
    eight = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    deep = to_depth(eight, np.uint16)
    assert deep.max() == 65535 and np.array_equal(to_depth(deep, np.uint8), eight)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("height, width", [(37, 53), (128, 200), (1, 9)])
def test_plain_jpegs_are_pillows_pixels(subsampling: int, height: int, width: int) -> None:
    """They go through another library, whose pixels are the same."""
    for quality in (10, 75, 95):
        for how in ({}, {"progressive": True}, {"optimize": True}):
            picture = Image.fromarray(pixels(height, width)).resize((width, height), Image.Resampling.BILINEAR)
            raw = encoded(picture, "JPEG", quality=quality, subsampling=subsampling, **how)
            assert (decode(raw) == np.array(Image.open(io.BytesIO(raw))).transpose(2, 0, 1)).all()
