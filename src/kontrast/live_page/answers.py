"""What is asked of an index while it is looked at, answered as JSON would have it.

A row of the index reaches the page as {"row", "name", "facts", "picture", "x", "y"}, with "score" where it was found by
a cosine. Only what the index holds is ever told, and no word of a query is taken for a file.

Shapes: N rows of the index, D width.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kontrast import keyed
from kontrast.errors import Unfit
from kontrast.evaluate.knn import neighbours
from kontrast.keyed import Ids
from kontrast.live_page.points import Classes, Points, classes_of
from kontrast.modalities.modality import InUse
from kontrast.report.contact_sheet import shown
from kontrast.vector_index.layout import Index
from kontrast.vector_index.outliers import outliers
from kontrast.vector_index.pairs import LEAST, across, groups_of, near_pairs, scanned, suggested

NEAREST = 20  # answers to a question
SHOWN = 60  # rows of a selection, or of what is suspected
LETTERS = 400  # of a text on the page
WORDS = 2_000  # letters of a question
POSITIVES = 20_000  # rows of one group that are compared, at most
COMPARED = 20_000  # rows up to which all pairs are compared while somebody waits
KEPT = 512 << 20  # bytes of vectors that are kept in memory; more are read for each question
SHARDS = 16  # whose thumbnails are kept in memory
SELECTIONS = 100
SIDE = 128  # pixels of a dropped picture as it is shown
UNTOLD = ("content", "row")  # columns that mean nothing to a person

Told = dict[str, Any]


class Answers:
    """An index that is asked: `points` are its rows on the map, `model` is what embeds words and pictures, if any."""

    def __init__(self, index: Index, points: Points, model: InUse | None) -> None:
        self.index, self.points, self.model = index, points, model
        self.columns = [name for name in index.columns if name not in UNTOLD]
        found = {name: classes_of(index.items.column(name)) for name in self.columns}
        self.classes: dict[str, Classes] = {name: one for name, one in found.items() if one is not None}
        self.selections: dict[str, Ids] = {}
        small = len(index) * index.meta.width * 4 <= KEPT
        self._bank: Any = torch.from_numpy(index.vectors[0 : len(index)]) if small else index.vectors
        self._thumbnails = lru_cache(SHARDS)(self._of_shard)
        self.reads_words = model is not None and model.words
        self.reads_pictures = model is not None and _reads_pictures(model)

    # rows

    def told(self, rows: Sequence[int] | Ids, cosines: Sequence[float] | npt.NDArray[Any] = ()) -> list[Told]:
        """These rows, with their cosines where there are some."""
        rows = np.asarray(rows, dtype=np.int64)
        items = self.index.items.select(self.columns).take(rows).to_pylist()
        picture = bool(self.index.meta.thumbnail)
        found = []
        for row, name, item, place in zip(rows.tolist(), self.index.called(rows), items, self.points.places[rows]):
            facts = [[key, _short(value)] for key, value in item.items() if value is not None]
            address = f"picture/{row}" if picture else ""
            x, y = place.tolist()
            found.append({"row": row, "name": _short(name), "facts": facts, "picture": address, "x": x, "y": y})
        for one, cosine in zip(found, np.asarray(cosines).tolist()):
            one["score"] = round(cosine, 6)
        return found

    def thumbnail(self, row: int) -> bytes:
        """The picture of a row, encoded; b"" where there is none."""
        number, place = divmod(self.known(row), self.index.meta.shard)
        return self._thumbnails(number)[place]

    def _of_shard(self, number: int) -> list[bytes]:
        return self.index.thumbnails(self.index.meta.span(number))

    def known(self, row: int) -> int:
        """The row itself. Unfit where there is none."""
        if not 0 <= row < len(self.index):
            raise Unfit(f"There is no row {row:,}; the index has 0 to {len(self.index) - 1:,}.")
        return row

    # questions

    def near(self, row: int) -> Told:
        """A row, what is nearest to it, and of those that belong to it the nearest and the farthest."""
        vector = self.index.vectors.take([self.known(row)])
        lists = [{"title": "Nearest to it in the full space", "rows": self._nearest(vector, without=row)}]
        return {"title": "Chosen", "one": self.told([row])[0], "lists": lists + self._positives(row, vector)}

    def _nearest(self, vector_1D: npt.ArrayLike, without: int = -1) -> list[Told]:
        k = min(len(self.index), NEAREST + (without >= 0))
        cosines, rows = (found[0].numpy() for found in neighbours(np.asarray(vector_1D), self._bank, k, unit=True))
        kept = rows != without
        return self.told(rows[kept][:NEAREST], cosines[kept][:NEAREST])

    def _positives(self, row: int, vector_1D: npt.NDArray[np.float32]) -> list[Told]:
        """Of the rows with the same group or label: the nearest, and the farthest."""
        column = next((name for name in ("group", "label") if name in self.index.columns), None)
        if column is None or (own := self.index.items.column(column)[row].as_py()) is None:
            return []
        import pyarrow.compute as pc

        same = np.flatnonzero(pc.equal(self.index.items.column(column), own).fill_null(False).to_numpy())
        same = same[same != row]
        if not len(same):
            return []
        asked = same
        if len(same) > POSITIVES:
            asked = np.sort(same[keyed.permuted(np.arange(POSITIVES), len(same), "positives", row)])
        cosines = self.index.vectors.take(asked) @ vector_1D[0]
        order = np.lexsort((asked, -cosines))
        of = f"{len(asked):,} of {len(same):,}" if len(asked) < len(same) else f"{len(same):,}"
        ends = {"Nearest": order[: NEAREST // 2], "Farthest": order[::-1][: NEAREST // 2]}
        told = {title: self.told(asked[some], cosines[some]) for title, some in ends.items()}
        return [{"title": f"{end} of {of} with {column} {own}", "rows": rows} for end, rows in told.items()]

    def by_words(self, words: str) -> Told:
        """What is nearest to words, where the model reads them; and rows whose name or text holds them."""
        words = words.strip()
        if not words or len(words) > WORDS:
            raise Unfit(f"A question of 1 to {WORDS:,} letters was expected, not {len(words):,}.")
        lists = []
        if self.model is not None and self.reads_words:
            vector = self.model.embed_text([words])
            lists.append({"title": "Nearest in meaning", "rows": self._nearest(vector)})
        rows, count = self._holding(words)
        if count or not lists:
            lists.append({"title": f"{count:,} hold these words", "rows": self.told(rows)})
        return {"title": f"\u201c{_short(words, 60)}\u201d", "lists": lists}

    def _holding(self, words: str) -> tuple[Ids, int]:
        import pyarrow.compute as pc

        hit = np.zeros(len(self.index), dtype=bool)
        for name in ("name", "text"):
            if name in self.index.columns:
                column = self.index.items.column(name)
                hit |= pc.match_substring(column, words, ignore_case=True).fill_null(False).to_numpy()
        rows = np.flatnonzero(hit)
        return rows[:NEAREST], len(rows)

    def by_picture(self, content: bytes) -> Told:
        """What is nearest to a picture that was dropped, encoded as any format that is read. Unfit for what is none."""
        if self.model is None or not self.reads_pictures:
            raise Unfit("The model of this index reads no pictures.")
        with tempfile.TemporaryDirectory(prefix="kontrast-") as folder:
            file = Path(folder) / "dropped.png"  # the content says what it is, whatever it was called
            file.write_bytes(content)
            try:
                source = self.model.read(file)
                pixels = source.images(source.ids)[0]
                vector = self.model.embed_source(source, source.ids[:1])
            except Unfit as problem:
                raise Unfit(str(problem).replace(str(file), "The picture").replace(folder, "")) from None
        small = shown(pixels.float() / source.white)
        small.thumbnail((SIDE, SIDE))
        encoded = io.BytesIO()
        small.save(encoded, "PNG")
        address = f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
        one = {"name": "your picture", "facts": [], "picture": address}
        return {"title": "Dropped", "one": one, "lists": [{"title": "Nearest to it", "rows": self._nearest(vector)}]}

    # what is suspected

    def duplicates(self) -> Told:
        """Groups of rows that are nearly the same, by the line that `kontrast duplicates` draws."""
        by = "looks" if self.index.meta.thumbnail else "model"
        if len(self.index) > COMPARED and not scanned(self.index, by):
            raise Unfit(
                f"{len(self.index):,} rows are too many to compare while you wait. Run kontrast duplicates "
                f"{self.index.folder} once; what it finds then stands here."
            )
        near = near_pairs(self.index, LEAST[by], by=by)
        line, why = suggested(near)
        chosen = near.above(line)
        group = groups_of(chosen, len(self.index)) if len(chosen) else np.arange(len(self.index))
        members: dict[int, list[int]] = {}
        for first, second in zip(chosen.first.tolist(), chosen.second.tolist()):
            members.setdefault(int(group[first]), []).extend((first, second))
        groups = [list(dict.fromkeys(rows)) for rows in members.values()]
        told = [f"{len(groups):,} groups by a cosine of {line:.3f} or more ({why})."]
        if "split" in self.index.columns:
            told.append(f"{len(across(chosen, self.index.column('split'))):,} pairs lie in two splits.")
        rows = sorted({row for some in groups for row in some})
        lists = [{"title": "", "rows": self.told(some[:12])} for some in groups[: SHOWN // 2]]
        return {"title": "Suspected duplicates", "told": " ".join(told), "lists": lists, "all": rows}

    def outliers(self) -> Told:
        """The rows whose ten nearest are farthest."""
        found = outliers(self.index)
        if len(found.rows) < len(self.index):
            told = f"Of {len(found.rows):,} rows drawn by chance, by their ten nearest among {found.among:,}."
        else:
            told = "The rows whose ten nearest are farthest: broken, of other data, or rare."
        lists = [{"title": "Farthest first", "rows": self.told(found.rows[:SHOWN], found.cosines[:SHOWN])}]
        return {"title": "Outliers", "told": told, "lists": lists, "all": found.rows[:SHOWN].tolist()}

    # selections

    def several(self, rows: Any) -> Ids:
        """Rows that a page names. Unfit where they are none of the index."""
        if not isinstance(rows, list) or not all(type(row) is int for row in rows):
            raise Unfit("A list of rows was expected.")
        return np.array([self.known(row) for row in rows], dtype=np.int64)

    def keep(self, rows: Ids, name: str = "") -> str:
        """Keep rows under a name, the next free number if none is given; returns the name."""
        if not len(rows):
            raise Unfit("No row lies there.")
        free = (f"selection {n}" for n in range(1, SELECTIONS + 2))
        name = name.strip()[:80] or next(one for one in free if one not in self.selections)
        if name not in self.selections and len(self.selections) >= SELECTIONS:
            raise Unfit(f"{SELECTIONS} selections are kept at most: let one go.")
        self.selections[name] = np.unique(rows)
        return name

    def rename(self, name: str, to: str) -> str:
        """Give a selection another name, which no other has."""
        rows, to = self.selection(name), to.strip()[:80]
        if not to or (to != name and to in self.selections):
            raise Unfit(f"A name that no other selection has was expected, not {to!r}.")
        self.selections = {to if one == name else one: kept for one, kept in self.selections.items()} | {to: rows}
        return to

    def selection(self, name: str) -> Ids:
        """The rows of a selection. Unfit where there is none of this name."""
        if name not in self.selections:
            raise Unfit(f"There is no selection {name!r}.")
        return self.selections[name]

    def selected(self, name: str, colour: str = "") -> Told:
        """A selection: how many rows, of which classes, and the first of them."""
        rows = self.selection(name)
        told = ""
        if colour in self.classes:
            found = self.classes[colour]
            counts = sorted(found.counts(rows).items(), key=lambda one: -one[1])[:6]
            told = ", ".join(f"{count:,} {found.called(code)}" for code, count in counts)
        more = f"The first {SHOWN}; all are in the CSV" if len(rows) > SHOWN else ""
        lists = [{"title": more, "rows": self.told(rows[:SHOWN])}]
        return {"title": f"{len(rows):,} chosen", "told": told, "lists": lists, "selection": name}

    def lines(self, name: str) -> Iterator[list[Any]]:
        """A selection as a table: the names of the columns, then row by row."""
        rows = self.selection(name)
        yield [*self.columns, "x", "y"]
        for start in range(0, len(rows), 10_000):
            some = rows[start : start + 10_000]
            items = self.index.items.select(self.columns).take(some).to_pylist()
            for item, place in zip(items, self.points.places[some].tolist()):
                yield [*item.values(), *place]


def _short(value: Any, letters: int = LETTERS) -> Any:
    return value[: letters - 1] + "\u2026" if isinstance(value, str) and len(value) > letters else value


def _reads_pictures(model: InUse) -> bool:
    try:
        return model.read(np.zeros((1, 3, 8, 8), np.uint8)).pictures is not None
    except Unfit:
        return False
