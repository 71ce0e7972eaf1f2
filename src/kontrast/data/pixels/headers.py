"""What the head of a picture file says before anything is decoded: pages, bands, and bits that Pillow would drop.

Pillow has no mode for 16-bit colour and keeps the upper byte, in every format that has it. What can be read whole is
read whole in `sixteen_bits`; of the rest `shallow` says why not.
"""

from __future__ import annotations

import io
import re
import struct
from typing import NamedTuple

from PIL import Image

_PAGED = frozenset({"TIFF", "GIF", "PNG", "WEBP", "AVIF"})  # not the previews inside a JPEG, nor layers of a drawing
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3}  # bands of each photometric interpretation of TIFF
_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}  # bytes of the types that the wanted tags have
_LETTERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_WANTED = (254, 258, 262, 277, 284, 338, 339)
LONGEST = 100_000  # pages that are counted, and values of a tag that are read


class Page(NamedTuple):
    """One page of a TIFF."""

    kind: int  # bit 0: a smaller copy of another page; bit 2: a mask
    bits: tuple[int, ...]
    photometric: int
    bands: int
    extra: tuple[int, ...]  # what bands beyond grey or colour are: 0 anything, 1 and 2 transparency
    floating: bool
    apart: bool  # a plane for each band

    def words(self) -> str:
        """Size of the data, for a reason."""
        kinds = "/".join(map(str, sorted(set(self.bits))))
        return f"{self.bands} band{'s' * (self.bands != 1)} of {kinds} bits{' floating point' * self.floating}"


def unread(raw: bytes) -> tuple[int, int]:
    """(pages or frames, bands if there are more than are read else 0) of an encoded picture that can be decoded."""
    if raw[:3] == b"\xff\xd8\xff" or raw[:2] == b"BM" or (raw[:4] == b"\x89PNG" and b"acTL" not in raw[:65536]):
        return 1, 0
    if raw[:2] in (b"II", b"MM"):
        pages = tiff_pages(raw)
        if pages:
            whole = [page for page in pages if not page.kind & 0b101]
            colours = _COLOURS.get(pages[0].photometric, pages[0].bands)
            more = 0 in pages[0].extra[: max(0, pages[0].bands - colours)]
            return max(1, len(whole)), pages[0].bands if more else 0
    try:
        with Image.open(io.BytesIO(raw)) as picture:
            return (int(getattr(picture, "n_frames", 1)), 0) if picture.format in _PAGED else (1, 0)
    except Exception:  # the first frame was read; how many follow cannot be told
        return 1, 0


def cut_off(raw: bytes) -> bool:
    """Whether a file surely ends before its picture does, though decoders take it for whole: a PNG without its end, a
    JPEG whose rest is zeros, as a copy that was broken off leaves it."""
    if raw[:4] == b"\x89PNG":
        return b"IEND" not in raw
    return raw[:3] == b"\xff\xd8\xff" and raw[-64:] == bytes(64) and not raw.rstrip(b"\0").endswith(b"\xff\xd9")


def tiff_pages(raw: bytes, most: int = LONGEST) -> list[Page]:
    """The first pages of a TIFF as far as its directories can be followed; none of other files."""
    order = "<" if raw[:2] == b"II" else ">"
    pages: list[Page] = []
    try:
        magic = struct.unpack_from(order + "H", raw, 2)[0]
        if magic not in (42, 43):
            return []
        big = magic == 43
        at, seen = struct.unpack_from(order + ("Q" if big else "I"), raw, 8 if big else 4)[0], set()
        while at and at not in seen and len(pages) < most:
            seen.add(at)
            page, at = _page(raw, order, at, big)
            pages.append(page)
    except (struct.error, OverflowError):
        pass
    return pages


def _page(raw: bytes, order: str, at: int, big: bool) -> tuple[Page, int]:
    """(the page whose directory begins here, the place of the next)."""
    wide, step, head = ("Q", 20, 8) if big else ("I", 12, 2)
    count = struct.unpack_from(order + ("Q" if big else "H"), raw, at)[0]
    tags: dict[int, tuple[int, ...]] = {}
    for entry in range(at + head, min(at + head + step * count, len(raw)), step):
        tag, kind, many = struct.unpack_from(f"{order}HH{wide}", raw, entry)
        if tag in _WANTED and kind in _SIZES and 0 < many <= LONGEST:
            size, place = _SIZES[kind] * many, entry + (12 if big else 8)
            if size > (8 if big else 4):
                place = struct.unpack_from(order + wide, raw, place)[0]
            tags[tag] = struct.unpack_from(f"{order}{many}{_LETTERS[kind]}", raw, place)
    following = struct.unpack_from(order + wide, raw, at + head + step * count)[0]

    def one(tag: int, default: int) -> int:
        return tags.get(tag, (default,))[0]

    page = Page(
        one(254, 0),
        tags.get(258, (1,)),
        one(262, 1),
        one(277, 1),
        tags.get(338, ()),
        one(339, 1) == 3,
        one(284, 1) == 2,
    )
    return page, following


def unknown(raw: bytes) -> str:
    """Why what Pillow does not know cannot be read, as far as its first bytes tell."""
    pages = tiff_pages(raw, 1)
    if pages:
        return f"a TIFF of {pages[0].words()}; grey, RGB and CMYK of 8 or 16 bits are read"
    if raw[4:8] == b"ftyp" and raw[8:12] in (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc"):
        return "a HEIC photo, which Pillow does not read; save it as JPEG or PNG"
    if raw[:4] == b"8BPS":
        return f"a Photoshop file of {struct.unpack_from('>H', raw.ljust(24), 22)[0]} bits; save it as PNG or TIFF"
    return "not a picture in any known format"


def shallow(picture: Image.Image, raw: bytes) -> str:
    """Why an opened picture cannot be read whole by Pillow: bits that it would drop. Empty where it drops none."""
    bits = _bits(picture, raw)
    if bits <= 8:
        return ""
    return f"{bits}-bit colour in {picture.format}, of which 8 bits would be read; save it as 16-bit PNG or TIFF"


def _bits(picture: Image.Image, raw: bytes) -> int:
    """Bits of a channel in the formats whose deep colour Pillow turns into 8 bits in silence; 8 where that is all."""
    form, grey = picture.format, picture.mode.startswith("I") or picture.mode == "F"
    if grey:
        return 8
    if form == "SGI":
        return 8 * raw[3]
    if form == "PPM":
        most = re.match(
            rb"P[36](?:\s+|#[^\r\n]*[\r\n])+\d+(?:\s+|#[^\r\n]*[\r\n])+\d+(?:\s+|#[^\r\n]*[\r\n])+(\d+)", raw
        )
        return int(most[1]).bit_length() if most else 8
    if form == "JPEG2000":
        size = raw.find(b"\xff\x51")
        return (raw[size + 40] & 0x7F) + 1 if 0 <= size < len(raw) - 40 else 8
    if form == "AVIF":
        box = raw.find(b"av1C")
        flags = raw[box + 6] if 0 <= box < len(raw) - 6 else 0
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    if form == "DDS":
        return 16 if raw[84:88] == b"DX10" and raw[128] in (95, 96) else 8  # BC6H
    if form in ("ICO", "ICNS"):
        return 16 if re.search(rb"\x89PNG\r\n\x1a\n.{4}IHDR.{8}\x10[\x02\x04\x06]", raw, re.S) else 8
    return 8
