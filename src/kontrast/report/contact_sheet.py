"""Contact sheets: originals beside their views, queries beside their neighbours. Look before you trust a run.

Shapes: C channels, H and W the sides of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from kontrast.positives.images.draw import draw
from kontrast.positives.images.view import Drawn, Keys, Recipe, View
from kontrast.preprocessing import Pictures, white_of

CELL = 112  # pixels of a picture on the sheet, at least
GAP, LINE = 6, 13
INK, PAPER = (40, 40, 40), (255, 255, 255)

Row = Sequence[tuple[Image.Image, str]]


def views_sheet(pictures: Pictures, views: Sequence[Tensor], recipe: Recipe, keys: Keys | None = None) -> Image.Image:
    """A row for each picture: the original and its views, denormalised; with `keys`, what was drawn stands beneath."""
    captions = [[""] * len(pictures) for _ in views]
    if keys is not None:
        sizes_B2 = np.array([picture.shape[1:] for picture in pictures], dtype=np.int64).reshape(-1, 2)
        for number, view in enumerate(recipe.views):
            drawn = draw(view, number, keys, sizes_B2)
            captions[number] = [told(view, drawn, row) for row in range(len(pictures))]
    mean_C11, std_C11 = (torch.tensor(v)[:, None, None] for v in (recipe.mean, recipe.std))
    white = recipe.brightest(pictures)
    rows = []
    for i, picture in enumerate(pictures):
        name = f"sample {keys.ids_B[i]}" if keys is not None else ""
        row = [(shown(picture.float() / white), f"{name}\n{picture.shape[2]} x {picture.shape[1]} px")]
        row += [(shown(view[i].cpu() * std_C11 + mean_C11), text[i]) for view, text in zip(views, captions)]
        rows.append(row)
    return sheet(rows)


def neighbour_sheet(
    rows: Sequence[tuple[Tensor | None, Sequence[tuple[Tensor, float]]]], white: int | None = None
) -> Image.Image:
    """A row for each query picture (C, H, W), None for words: it, then its neighbours with their similarity beneath.

    white: what stands for 1 in 16-bit pictures.
    """
    made = []
    for query, neighbours in rows:
        cells = [(shown(each.float() / white_of(each.dtype, white)), f"{score:.3f}") for each, score in neighbours]
        asked = [] if query is None else [(shown(query.float() / white_of(query.dtype, white)), "query")]
        made.append([*asked, *cells])
    return sheet(made)


def told(view: View, drawn: Drawn, row: int) -> str:
    """What was drawn for one view, in a few words; what left the picture alone is not named."""
    words = []
    if view.crop is not None:
        words.append(f"crop {drawn.width[row]}x{drawn.height[row]} at {drawn.left[row]},{drawn.top[row]}")
    if view.rotate or view.shear or view.shift:
        words.append(f"turn {drawn.angle[row]:+.0f}°, scale {drawn.scale[row]:.2f}")
        words.append(f"shift {drawn.shift[row][0]:+.2f} {drawn.shift[row][1]:+.2f}")
    if drawn.flip[row]:
        words.append("flipped")
    if drawn.jitter[row]:
        factors = (drawn.brightness[row], drawn.contrast[row], drawn.saturation[row])
        words.append("b {:.2f} c {:.2f} s {:.2f}".format(*factors))
        words.append(f"hue {360 * drawn.hue[row]:+.0f}°")
    last = ["grey"] * bool(drawn.grey[row]) + [f"blur {drawn.sigma[row]:.1f}"] * bool(drawn.sigma[row] > 0)
    words.append(" ".join(last + ["solarized"] * bool(drawn.solarize[row])))
    return "\n".join(word for word in words if word)


def shown(pixels_CHW: Tensor) -> Image.Image:
    """Pixels over [0, 1] as a picture: three channels as RGB, any other number as the grey of their mean."""
    pixels = pixels_CHW.cpu().clamp(0, 1)
    grey_or_rgb = pixels if len(pixels) == 3 else pixels.mean(0, keepdim=True).expand(3, -1, -1)
    return Image.fromarray((grey_or_rgb * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def sheet(rows: Sequence[Row]) -> Image.Image:
    """Pictures with their captions in rows. Small pictures are enlarged by whole steps, without smoothing."""
    font = ImageFont.load_default(size=10)
    side = max((max(picture.size) for row in rows for picture, _ in row), default=CELL)
    cell = side if side >= CELL else side * (CELL // side)
    cell = min(cell, 2 * CELL)
    lines = max((text.count("\n") + 1 for row in rows for _, text in row), default=1)
    drawn = [[fitted(picture, cell) for picture, _ in row] for row in rows]
    across, down = (max((picture.size[axis] for row in drawn for picture in row), default=cell) for axis in (0, 1))
    wide, high = max(across, CELL) + GAP, down + lines * LINE + GAP
    columns = max((len(row) for row in rows), default=0)
    page = Image.new("RGB", (columns * wide + GAP, len(rows) * high + GAP), PAPER)
    pen = ImageDraw.Draw(page)
    for y, row in enumerate(rows):
        for x, (_, text) in enumerate(row):
            corner = (GAP + x * wide, GAP + y * high)
            page.paste(drawn[y][x], corner)
            pen.multiline_text((corner[0], corner[1] + down), text, fill=INK, font=font, spacing=1)
    return page


def fitted(picture: Image.Image, cell: int) -> Image.Image:
    """The picture in the size of a cell: enlarged by whole steps, or reduced."""
    longest = max(picture.size)
    factor = max(1, cell // longest) if longest <= cell else cell / longest
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.NEAREST if longest <= cell else Image.Resampling.LANCZOS)
