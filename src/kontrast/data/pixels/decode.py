"""One picture: encoded bytes -> pixels, told right or told broken.

    decode(raw) -> (C, H, W) uint8 or uint16, C = 1 (grey) or 3 (RGB)

What is read how: grey and one-bit pictures keep one channel; 16-bit pictures stay 16-bit; palette and CMYK become RGB;
transparent pixels are laid on white (the colour hidden under full transparency is arbitrary); EXIF rotation is applied;
of an animation the first frame is read, of several pages the first, and `headers.unread` counts them.

Shapes: C channels, H height, W width.
"""

from __future__ import annotations

import io
import re
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from kontrast.data.pixels import headers, sixteen_bits

Pixels: TypeAlias = npt.NDArray[Any]  # uint8 or uint16
DENSE = 96  # longer sides lie with the channels last: what the products of `positives.images.blur` want there

LARGEST = 89_478_485  # pixels; Pillow's own mark for a decompression bomb (a quarter of a GiB as RGB)
_TURNED = frozenset({"exif", "xmp", "Raw profile type exif", "XML:com.adobe.xmp"})  # where a rotation may be noted
_DEEP = re.compile(";16[LBN]")  # raw modes of 16 bits a band; BGR;16 has 16 a pixel


class Broken(ValueError):
    """This one picture cannot be read; the message is the reason, in words."""


def decode(raw: bytes, shorter_side: int | None = None) -> Pixels:
    """The pixels of one encoded picture, (C, H, W).

    shorter_side: pictures at least twice this size are read at 1/2, 1/4 or 1/8, as long as their shorter side keeps
    this many pixels. JPEG is shrunk while decoding (a fraction of the time), others by averaging whole blocks.

    Raises `Broken` with the reason.
    """
    if not raw:
        raise Broken("the file is empty")
    if headers.cut_off(raw):
        raise Broken("truncated, the file ends early")
    try:
        picture: Image.Image = Image.open(io.BytesIO(raw))
        return _pixels(picture, raw, shorter_side)
    except Broken:
        raise
    except UnidentifiedImageError:
        raise Broken(headers.unknown(raw)) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Broken(f"decompression bomb: more than {LARGEST:,} pixels") from None
    except Exception as error:  # decoders raise whatever they like on damaged bytes: struct.error, SyntaxError, ...
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        what = "truncated, the file ends early" if "truncated" in reason.lower() else "cannot be decoded"
        raise Broken(f"{what} ({reason})") from None


def glance(raw: bytes, shorter_side: int | None = None) -> tuple[tuple[int, int, int], int]:
    """((C, H, W), bits) that `decode` would give, by the head of the file; nothing is decoded. Raises `Broken`."""
    try:
        picture = Image.open(io.BytesIO(raw))
        width, height = picture.size
        may_turn = picture.format == "TIFF" or not _TURNED.isdisjoint(picture.info)
        if may_turn and picture.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # orientation: on its side
            width, height = height, width
        deep = picture.mode.startswith("I") or (picture.format == "PNG" and raw[24] == 16)
        if picture.format == "TIFF":
            deep |= max(headers.tiff_pages(raw, 1)[0].bits) > 8
    except Exception as error:  # as in `decode`, which has the words
        raise Broken(f"cannot be opened ({type(error).__name__})") from None
    factor = 1
    while shorter_side is not None and factor < 8 and min(height, width) // (2 * factor) >= shorter_side:
        factor *= 2
    up = picture.format == "JPEG"  # draft rounds up, the mean of blocks down
    height, width = (-(-side // factor) if up else side // factor for side in (height, width))
    channels = 1 if (deep and picture.mode.startswith("I")) or picture.mode in ("1", "L", "LA", "La") else 3
    return (channels, height, width), 16 if deep else 8


def from_pillow(picture: Image.Image) -> Pixels:
    """The pixels of an opened Pillow picture, (C, H, W), by the same rules as `decode`.

    Raises `Broken` where Pillow itself has cut them, as it does with 16-bit colour.
    """
    tiles = getattr(picture, "tile", ())  # what a picture out of a file still has to load
    if not picture.mode.startswith("I") and any(_DEEP.search(str(tile.args)) for tile in tiles):
        raise Broken("16-bit colour, of which Pillow would keep 8 bits; give the file by its name")
    if picture.format == "TIFF" or not _TURNED.isdisjoint(picture.info):
        picture = ImageOps.exif_transpose(picture)
    pixels = np.array(_flat(picture))
    return pixels[None] if pixels.ndim == 2 else laid_out(pixels.transpose(2, 0, 1))


def laid_out(pixels: Pixels) -> Pixels:
    """The same (..., C, H, W) in the memory order that views are drawn from fastest: of large ones, channels last."""
    if max(pixels.shape[-2:]) <= DENSE:
        return np.ascontiguousarray(pixels)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(pixels, -3, -1)), -1, -3)


def to_channels(pixels: Pixels, channels: int) -> Pixels:
    """Grey repeated to RGB, or RGB weighted to grey (ITU-R 601: 0.299, 0.587, 0.114, as Pillow does)."""
    if len(pixels) == channels:
        return pixels
    if len(pixels) == 1:
        return np.repeat(pixels, channels, axis=0)
    grey = np.tensordot(np.array([0.299, 0.587, 0.114]), pixels[:3].astype(np.float64), axes=1)
    one = np.rint(grey).astype(pixels.dtype)[None]
    return one if channels == 1 else np.repeat(one, channels, axis=0)


def to_depth(pixels: Pixels, dtype: npt.DTypeLike, white: int = 65535) -> Pixels:
    """uint8 <-> uint16, where 255 of the one and `white` of the other are the same; there and back is exact."""
    if pixels.dtype == dtype:
        return pixels
    if pixels.dtype == np.uint8:
        return np.rint(pixels * (white / 255)).astype(np.uint16)
    return np.rint(pixels * (255 / white)).astype(np.uint8)


def _pixels(picture: Image.Image, raw: bytes, shorter_side: int | None) -> Pixels:
    width, height = picture.size
    if height * width > LARGEST:
        raise Broken(f"decompression bomb: {width:,} x {height:,} pixels (the limit is {LARGEST:,} in all)")
    factor = 1
    while shorter_side is not None and factor < 8 and min(height, width) // (2 * factor) >= shorter_side:
        factor *= 2
    if picture.format == "EPS":
        raise Broken("PostScript, a program that would have to be run; save it as PNG")
    deep = _sixteen_bits(picture, raw)
    if deep is not None:
        return _averaged(laid_out(deep), factor)
    if factor > 1 and picture.format == "JPEG":
        picture.draft("", (-(-width // factor), -(-height // factor)))
        factor = 1
    elif picture.format == "JPEG" and _is_plain(picture, raw):
        from torchvision.io import decode_jpeg  # comes late: it brings all of torchvision

        pixels: Pixels = decode_jpeg(torch.frombuffer(bytearray(raw), dtype=torch.uint8)).numpy()
        return laid_out(pixels)
    picture.load()
    return _averaged(from_pillow(picture), factor)


def _sixteen_bits(picture: Image.Image, raw: bytes) -> Pixels | None:
    """The pixels of 16-bit colour, which Pillow would cut to 8; None of all other pictures."""
    if picture.format == "PNG" and raw[24] == 16:  # bit depth and colour type of the header
        if raw[25] == 4:
            return sixteen_bits.png_grey_opacity(raw)
        if raw[25] == 0 and isinstance(clear := picture.info.get("transparency"), int):
            values = from_pillow(picture)
            return np.where(values == clear, np.uint16(sixteen_bits.WHITE), values)
        return sixteen_bits.png_colour(raw) if raw[25] in (2, 6) else None
    if picture.format == "TIFF":
        page = headers.tiff_pages(raw, 1)[0]
        if max(page.bits) <= 8 or picture.mode not in ("RGB", "RGBA", "CMYK"):
            if page.photometric == 0 and picture.mode.startswith("I"):  # 0 is white
                return np.uint16(sixteen_bits.WHITE) - from_pillow(picture)
            return None
        if page.apart:
            raise Broken(f"a TIFF of {page.words()}, a plane for each; save it with its bands side by side")
        return sixteen_bits.tiff_colour(raw, premultiplied=1 in page.extra)
    if reason := headers.shallow(picture, raw):
        raise Broken(reason)
    return None


def _is_plain(picture: Image.Image, raw: bytes) -> bool:
    """Whether torchvision reads the same pixels, in two thirds of the time: RGB, upright, complete to the last mark.

    Both lean on the same decoder, but torchvision takes a truncated file for a whole one.
    """
    return picture.mode == "RGB" and _TURNED.isdisjoint(picture.info) and raw[-2:] == b"\xff\xd9"


def _flat(picture: Image.Image) -> Image.Image:
    """Any Pillow mode to one of L, I;16 and RGB."""
    if picture.mode in ("L", "RGB") and "transparency" not in picture.info:
        return picture
    if picture.mode == "1":
        return picture.convert("L")
    if picture.mode.startswith("I"):
        values = np.array(picture)
        if values.min() < 0 or values.max() > 65535:
            raise Broken("32-bit whole numbers; save it as 8-bit or 16-bit")
        return Image.fromarray(values.astype(np.uint16))
    if picture.mode == "F":
        raise Broken("floating-point pixels, whose range is not known; save it as 8-bit or 16-bit")
    if picture.has_transparency_data:
        layers = picture.convert("RGBA")
        on_white = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
        return on_white.convert("L" if picture.mode in ("L", "LA", "La") else "RGB")
    return picture.convert("RGB")


def _averaged(pixels: Pixels, factor: int) -> Pixels:
    """Mean of whole factor x factor blocks; a remainder at the right and lower edge is left out."""
    if factor == 1:
        return pixels
    channels, height, width = pixels.shape[0], pixels.shape[1] // factor, pixels.shape[2] // factor
    blocks = pixels[:, : height * factor, : width * factor].reshape(channels, height, factor, width, factor)
    mean: Pixels = np.rint(blocks.mean(axis=(2, 4))).astype(pixels.dtype)
    return mean
