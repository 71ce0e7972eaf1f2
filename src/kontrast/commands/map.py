"""`kontrast map INDEX`: two dimensions of many, on one page that opens anywhere.

Shapes: N rows of the index, P points that are drawn, k neighbours.
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from kontrast import keyed
from kontrast.commands.outputs import claim_page
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.report.map_page import Drawing
from kontrast.report.map_page import write as write_page
from kontrast.vector_index.layout import Index
from kontrast.vector_index.project import Layout, layout

DRAWN = 20_000  # points that a browser draws with ease; above, a sample before the density of all
NEAREST = 12  # neighbours that a click shows
PICTURES = 14 << 20  # bytes of thumbnails on a page
SHORT = 600  # bytes of a thumbnail that is left as it is
LETTERS = 300  # of a text on the page


def map_index(
    folder: str | Path | Index, out: Path, *, how: str = "auto", colour: str | None = None, seed: int = 0
) -> tuple[Layout, list[str]]:
    """(where each row lies, the lines that say it); writes the page.

    how     pca, tsne, umap (extra `map`), or auto: t-SNE up to 5,000 rows, above UMAP where it is installed, else PCA
    colour  the column that colours the points first; on the page any other can be chosen
    """
    claim_page("--out", out, ())
    index = folder if isinstance(folder, Index) else Index.open(folder)
    if colour is not None and colour not in index.columns:
        raise Unfit(f"--colour {colour}: {index.folder} has the columns {', '.join(index.columns)}.")
    found = layout(index, how, seed=seed)
    count = min(len(index), DRAWN)
    drawn = np.sort(keyed.permuted(np.arange(count), len(index), "drawn", seed))
    names = [name[:LETTERS] for name in index.called(drawn)]
    told = ["name", "text", "label", "split", "group", "id"]
    columns = {name: index.items.column(name).take(drawn).to_pylist() for name in told if name in index.columns}
    columns = {name: [v[:LETTERS] if isinstance(v, str) else v for v in values] for name, values in columns.items()}
    if columns.get("text") == names:
        del columns["name"]
    pictures = _pictures(index, drawn)
    shown = sum(map(bool, pictures))
    words = [f"{len(index):,} rows", found.line()]
    if count < len(index):
        words.insert(1, f"{count:,} of them drawn before the density of all")
    title = f"Map of {Path(index.meta.data).name}"
    near = _near(index, drawn, pictures)
    said = "; ".join(words) + "."
    write_page(out, Drawing(title, said, found.places, drawn, names, pictures, near, columns, colour or "label"))
    lines = [f"map      {found.line()}"]
    if how == "auto" and found.how == "pca" and not find_spec("umap"):
        lines.append('         UMAP shows more of so many rows: pip install "kontrast[map]"')
    if index.meta.thumbnail and shown < count:
        lines.append(f"         {shown:,} of {count:,} points bring their picture, so that the page stays small")
    return found, [*lines, f"wrote    {out}, {out.stat().st_size / 1e6:.1f} MB; it opens in any browser, offline"]


def _pictures(index: Index, drawn: Ids) -> list[bytes]:
    """Thumbnails of the points, as small as they can be, as many as the page has room for: a keyed choice."""
    found = [b""] * len(drawn)
    if not index.meta.thumbnail:
        return found
    left = PICTURES
    order = np.argsort(keyed.words("pictured", drawn), kind="stable")
    for start in range(0, len(order), 2000):
        some = order[start : start + 2000]
        for point, content in zip(some.tolist(), index.thumbnails(drawn[some])):
            small = _small(content)
            left -= 4 * len(small) // 3 + 30
            if left < 0:
                return found
            found[point] = small
    return found


def _small(content: bytes) -> bytes:
    """A thumbnail, as a JPEG where that is shorter."""
    if len(content) < SHORT:
        return content
    file = io.BytesIO()
    with Image.open(io.BytesIO(content)) as picture:
        picture.convert("RGB").save(file, "JPEG", quality=72, optimize=True)
    return min(content, file.getvalue(), key=len)


def _near(index: Index, drawn: Ids, pictures: list[bytes]) -> Ids:
    """(P, k): the points nearest to each point in the full space, itself left out, of those that are drawn (and bring
    their picture, where some do)."""
    pictured = np.array([number for number, content in enumerate(pictures) if content], dtype=np.int64)
    bank = pictured if len(pictured) > NEAREST else np.arange(len(drawn))
    asked = torch.from_numpy(index.vectors.take(drawn))
    k = min(NEAREST, len(bank) - 1)
    _, rows = neighbours(asked, asked[torch.from_numpy(bank)], k + 1, unit=True)
    found = bank[rows.numpy()]
    return np.array([[one for one in near if one != own][:k] for own, near in enumerate(found.tolist())], np.int64)
