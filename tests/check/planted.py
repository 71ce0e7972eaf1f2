"""A folder of pictures whose faults are known, because they were put there."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

SIDE = 48


def scene(seed: int) -> Image.Image:
    """A picture like no other: soft colours, and some shapes with edges."""
    draw = np.random.default_rng(seed)
    soft = Image.fromarray(draw.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )
    pixels = np.asarray(soft).copy()
    for _ in range(6):
        x, y, w, h = draw.integers(0, 36, 2).tolist() + draw.integers(5, 20, 2).tolist()
        pixels[y : y + h, x : x + w] = draw.integers(0, 256, 3)
    grain = draw.integers(-12, 13, pixels.shape)
    return Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8))


def png(picture: Image.Image, kind: str = "PNG", **how: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


@dataclass
class Planted:
    """What was put into the folder, by name of the file."""

    folder: Path
    broken: set[str] = field(default_factory=set)
    exact: set[frozenset[str]] = field(default_factory=set)
    nearly: set[frozenset[str]] = field(default_factory=set)
    dark: set[str] = field(default_factory=set)
    flat: set[str] = field(default_factory=set)
    blurred: set[str] = field(default_factory=set)


def planted(folder: Path, count: int = 120, first: int = 0) -> Planted:
    """`count` scenes in two classes, copies of some of them, and faults."""
    made = Planted(folder)

    def put(name: str, content: bytes) -> str:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        return name

    names = [put(f"{'ab'[i % 2]}/{i:04d}.png", png(scene(first + i))) for i in range(count)]
    for i in range(8):
        made.exact.add(frozenset((names[i], put(f"a/copy{i}.png", (folder / names[i]).read_bytes()))))
    for number, i in enumerate(range(10, 50)):
        picture, how = scene(first + i), {"kind": "JPEG", "quality": 90}
        if number % 4 == 1:
            picture, how = picture.resize((36, 36), Image.Resampling.BILINEAR), {}
        if number % 4 == 2:
            picture = ImageEnhance.Brightness(picture).enhance(1.1)
        if number % 4 == 3:
            picture = picture.crop((1, 1, SIDE - 1, SIDE - 1)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        made.nearly.add(frozenset((names[i], put(f"b/near{i}.{'jpg' if how else 'png'}", png(picture, **how)))))
    whole = png(scene(9_000))
    zeros, short = whole[:-900] + bytes(900), png(scene(9_001), "JPEG", quality=90)[:-700]
    faults = {"cut.png": whole[:-900], "words.png": b"no picture", "empty.png": b"", "zeros.png": zeros}
    faults |= {"zeros.jpg": short + bytes(700), "cut.jpg": short, "end.png": whole[:-12]}
    for name, content in faults.items():
        made.broken.add(put(f"a/{name}", content))
    for i in range(3):
        black = Image.fromarray((np.asarray(scene(9_100 + i)) // 14).astype(np.uint8))
        made.dark.add(put(f"a/dark{i}.png", png(black)))
        made.flat.add(put(f"b/flat{i}.png", png(Image.new("RGB", (SIDE, SIDE), (40 * i + 20, 90, 30)))))
        soft = scene(9_200 + i).filter(ImageFilter.GaussianBlur(5))
        made.blurred.add(put(f"b/soft{i}.png", png(soft)))
    return made
