"""The verbs about an index: they parse, call and print as those of `cli`, which adds them. No torch before a call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kontrast.terminal import put

Debug = Annotated[bool, Parameter(help="Show the traceback of a failure.")]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object instead of words.")]
Out = Annotated[str, Parameter(name=["--out", "-o"])]


def index(
    model: str,
    data: str,
    *,
    out: Out,
    split: str | None = None,
    labels: str | None = None,
    columns: list[str] | None = None,
    same: str | None = None,
    dtype: str = "float32",
    thumbnail: int = 64,
    debug: Debug = False,
) -> int:
    """Embed DATA once, into a folder that search, map, duplicates and mine read; run again, it takes up what changed.

    Parameters
    ----------
    model
        A run folder or a model folder.
    out
        The folder of the index. Several processes may be given it at once, from torchrun, SLURM or two terminals.
    labels
        `folder`, or the column with the names.
    columns
        What holds what, such as image=filepath.
    same
        `folder` or a column: samples that belong together.
    dtype
        float32, or float16 for half the size.
    thumbnail
        Pixels of the longer side of the pictures kept for looking; 0: none.
    """
    from kontrast.commands.index import written

    options = {"split": split, "labels": labels, "columns": columns, "same": same}
    _print(written(model, data, Path(out), dtype=dtype, thumbnail=thumbnail, **options))
    return 0


def _print(lines: list[str]) -> None:
    """Of several processes the first one speaks."""
    if os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ:
        for line in lines:
            put(line)


VERBS = (index,)
