"""The first columns of a model's vectors, alone: what somebody has who keeps fewer of them (`--widths`).

Shapes: N samples, W columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from kontrast.data.source import Source
from kontrast.keyed import Ids
from kontrast.settings import widths_of


class First:
    """A model in use of which only the first columns are kept. What several of them look at is embedded once."""

    def __init__(self, model: Any, columns: int, seen: list[tuple[Any, Any, Tensor]]) -> None:
        self.model, self.columns, self.seen = model, columns, seen

    def embed_source(self, source: Source, ids: Ids) -> Tensor:
        """(N, W), as the model's own `embed_source`."""
        return self._once(source, ids.tolist(), lambda: self.model.embed_source(source, ids))

    def embed_text(self, sentences: Sequence[str]) -> Tensor:
        """(N, W), as the model's own `embed_text`."""
        return self._once(None, list(sentences), lambda: self.model.embed_text(sentences))

    def _once(self, source: Source | None, items: list[Any], embed: Callable[[], Tensor]) -> Tensor:
        for whose, which, vectors in self.seen:
            if whose is source and which == items:
                return vectors[:, : self.columns]
        self.seen.append((source, items, embed()))
        return self.seen[-1][2][:, : self.columns]


def narrower(model: Any, widths: Sequence[int]) -> dict[str, First]:
    """Columns for an evaluation: "first_64" and so on, of those widths that are below the whole one."""
    seen: list[tuple[Any, Any, Tensor]] = []
    return {f"first_{each}": First(model, each, seen) for each in widths if each < model.width}


def of_run(path: Path) -> tuple[int, ...]:
    """The widths that a run folder was trained with; none of a model folder."""
    file = path / "config.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    found = content.get("widths") if isinstance(content, dict) else None
    return widths_of(None if found is None else str(found))
