"""16-bit colour to its last bit, or not at all; pages and bands counted and said."""

from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tests.data.hostile import deep_png, encoded, folder, pixels, png
from tests.data.tiff import tiff

from kontrast.data.open import open_source
from kontrast.data.pixels.decode import Broken, decode
from kontrast.errors import Unfit

RNG = np.random.default_rng(0)
WHITE = 65535


def deep(channels: int, height: int = 5, width: int = 7) -> npt.NDArray[np.uint16]:
    return RNG.integers(0, 65536, (height, width, channels)).astype(np.uint16)


def first(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return values.transpose(2, 0, 1)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("deflate", [False, True])
def test_tiff_of_every_colour_is_exact(order: str, deflate: bool) -> None:
    how = {"order": order, "deflate": deflate}
    rgb = deep(3)
    assert np.array_equal(decode(tiff(rgb, **how)), first(rgb))
    four = deep(4)
    assert np.array_equal(decode(tiff(four, extra=(0,), **how)), first(four[..., :3]))  # the fourth is anything
    share = four[..., 3:].astype(np.float64) / WHITE
    for extra in ((2,), ()):  # opacity, said or not
        expected = np.rint(four[..., :3] * share + WHITE * (1 - share))
        assert np.abs(decode(tiff(four, extra=extra, **how)).astype(float) - first(expected)).max() <= 1
    on_black = np.concatenate([np.rint(four[..., :3] * share), four[..., 3:]], axis=2).astype(np.uint16)
    expected = on_black[..., :3].astype(float) + WHITE - four[..., 3:]
    assert np.array_equal(decode(tiff(on_black, extra=(1,), **how)), first(expected))
    ink = (WHITE - four.astype(np.float64)) / WHITE
    expected = np.rint(ink[..., :3] * ink[..., 3:] * WHITE)
    assert np.abs(decode(tiff(four, photometric=5, **how)).astype(float) - first(expected)).max() <= 1
    grey = deep(1)
    assert np.array_equal(decode(tiff(grey, photometric=1, **how)), first(grey))


def test_tiff_is_turned_as_it_says() -> None:
    rgb = deep(3)
    assert np.array_equal(decode(tiff(rgb, orientation=6)), first(np.rot90(rgb, -1)))


def test_a_tiff_whose_zero_is_white() -> None:
    grey = deep(1)
    assert np.array_equal(decode(tiff(grey, photometric=0)), WHITE - first(grey))


def png_of(kind: int, body: bytes, width: int, height: int, *more: tuple[bytes, bytes]) -> bytes:
    """A 16-bit PNG of a colour type, unfiltered."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    between = b"".join(chunk(*each) for each in more)
    rows = b"".join(b"\0" + body[at : at + len(body) // height] for at in range(0, len(body), len(body) // height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + between
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_grey_png_with_opacity_is_exact() -> None:
    both = deep(2)
    both[0, 0] = (777, WHITE)
    got = decode(png_of(4, both.astype(">u2").tobytes(), 7, 5))
    share = both[..., 1] / WHITE
    assert got.shape == (1, 5, 7) and got[0, 0, 0] == 777
    assert np.abs(got[0].astype(float) - (both[..., 0] * share + WHITE * (1 - share))).max() <= 1


def test_a_colour_that_stands_for_nothing_is_white() -> None:
    rgb, grey = deep(3), deep(1)
    rgb[1, 2], rgb[1, 3], grey[1, 2], grey[1, 3] = (1, 2, 3), (1, 2, 4), 5, 6
    got = decode(png_of(2, rgb.astype(">u2").tobytes(), 7, 5, (b"tRNS", struct.pack(">HHH", 1, 2, 3))))
    assert got[:, 1, 2].tolist() == [WHITE] * 3 and got[:, 1, 3].tolist() == [1, 2, 4]
    got = decode(png_of(0, grey.astype(">u2").tobytes(), 7, 5, (b"tRNS", struct.pack(">H", 5))))
    assert got[0, 1, 2] == WHITE and got[0, 1, 3] == 6


def test_tiff_and_png_are_the_same_source(tmp_path: Path) -> None:
    camera = [(deep(3) // 16) for _ in range(3)]  # 12 bits
    one = folder(tmp_path / "tif", {f"{i}.tif": tiff(each) for i, each in enumerate(camera)})
    two = folder(tmp_path / "png", {f"{i}.png": deep_png(each) for i, each in enumerate(camera)})
    a, b = open_source(one), open_source(two)
    assert a.bits == b.bits == 16 and a.white == b.white == 4095
    assert np.array_equal(a.images(a.ids).numpy(), b.images(b.ids).numpy())


SGI = (
    struct.pack(">HBBHHHHII", 474, 0, 2, 3, 4, 4, 3, 0, 65535).ljust(512, b"\0")
    + deep(1, 4, 12).astype(">u2").tobytes()
)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (tiff(deep(3), apart=True), "3 bands of 16 bits, a plane for each"),
        (tiff(pixels(6, 5, 5), photometric=1, extra=(0,) * 4), "a TIFF of 5 bands of 8 bits"),
        (tiff(deep(3), photometric=1, extra=(0, 0)), "a TIFF of 3 bands of 16 bits"),
        (tiff(deep(2), photometric=1, extra=(2,)), "2 bands of 16 bits"),
        (tiff(RNG.random((4, 4, 3)).astype(np.float32)), "3 bands of 32 bits floating point"),
        (b"P6 # camera\n4 4 4095\n" + deep(3, 4, 4).astype(">u2").tobytes(), "12-bit colour in PPM"),
        (SGI, "16-bit colour in SGI"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 64, "HEIC"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n", "PostScript"),
    ],
)
def test_what_cannot_be_read_whole_says_why(raw: bytes, words: str) -> None:
    with pytest.raises(Broken, match=words):
        decode(raw)


def test_deep_jpeg_2000_is_whole_or_refused() -> None:
    grey = deep(1, 16, 16)[..., 0]
    assert np.array_equal(decode(encoded(Image.fromarray(grey), "JPEG2000", irreversible=False))[0], grey)
    raw = bytearray(encoded(Image.fromarray(pixels(16, 16)), "JPEG2000", irreversible=False))
    assert np.array_equal(decode(bytes(raw)), first(pixels(16, 16)))
    size = raw.find(b"\xff\x51")
    for band in range(3):
        raw[size + 40 + 3 * band] = 11
    with pytest.raises(Broken, match="12-bit colour in JPEG2000"):
        decode(bytes(raw))


def test_pages_and_bands_are_counted_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    stack = [pixels(6, 5, 3, seed) for seed in range(4)]
    frames = [Image.fromarray(each) for each in stack]
    data = folder(
        tmp_path / "d",
        {
            "a.png": png(1, height=6, width=5),
            "b.tif": tiff(*stack),
            "c.tif": tiff(*stack[:3], kinds=(0, 1, 4)),
            "d.gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:3]),
            "e.png": encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]),
            "f.tif": tiff(pixels(6, 5, 6), extra=(0, 0, 0)),
            "g.tif": tiff(pixels(6, 5, 4), extra=(2,)),
        },
    )
    for source in (
        open_source(data),
        open_source(data, memory=100),
        open_source(data, memory=100),
    ):  # the last remembers
        said = "\n".join(source.messages)
        assert "3 with several pages or frames, of which the first is read: b.tif has 4" in said
        assert "1 with more bands than are read: of f.tif 3 of 6" in said
        assert np.array_equal(source.images([1])[0].numpy(), first(stack[0]))
    plain = open_source(folder(tmp_path / "p", {"a.png": png(1), "b.tif": tiff(pixels(12, 10))}))
    assert not any("with" in line for line in plain.messages)


def test_a_broken_head_of_a_tiff_ends_in_a_reason() -> None:
    whole = tiff(deep(3), deep(3))
    for at in range(4, len(whole), 7):
        for byte in (0, 255):
            with contextlib.suppress(Broken):
                decode(whole[:at] + bytes([byte]) + whole[at + 1 :])
        with contextlib.suppress(Broken):
            decode(whole[:at])


def test_opened_pictures_are_not_cut_in_silence(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(deep(3)))
    with Image.open(tmp_path / "a.tif") as picture, pytest.raises(Unfit, match="give the file by its name"):
        open_source([picture])
    assert open_source([tmp_path / "a.tif"]).bits == 16
