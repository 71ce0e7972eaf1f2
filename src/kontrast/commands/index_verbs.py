"""The verbs about an index: they parse, call and print as those of `cli`, which adds them. No torch before a call."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from kontrast import strict_json
from kontrast.terminal import put

Debug = Annotated[bool, Parameter(help="Show the traceback of a failure.")]
Json = Annotated[bool, Parameter(name="--json", help="Print one JSON object instead of words.")]
Links = Annotated[
    bool, Parameter(help="Follow symbolic links that leave the folder of the data, and those to folders.")
]
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
    follow_links: Links = False,
    dtype: str = "float32",
    thumbnail: int = 64,
    precision: str | None = None,
    width: int = 0,
    least: float | None = None,
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
    precision
        int8, binary or float16: smaller vectors beside the index, with the recall@10 that they keep on these data.
    width
        Of these, the first columns that are kept; all if not given.
    least
        The recall@10 below which they are refused: 0.99 for float16, 0.98 for int8, 0.95 for binary.
    """
    from kontrast.commands.index import written

    options: dict[str, Any] = {"split": split, "labels": labels, "columns": columns, "same": same}
    options["follow_links"] = follow_links or None
    smaller: dict[str, Any] = {"precision": precision, "width": width, "least": least}
    _print(written(model, data, Path(out), dtype=dtype, thumbnail=thumbnail, **smaller, **options))
    return 0


def duplicates(
    index: str,
    *,
    threshold: float | None = None,
    by: str | None = None,
    least: Annotated[float | None, Parameter(name="--from")] = None,
    against: str | None = None,
    sheet: str | None = None,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Find what is nearly the same, and what leaks from one split into another; the line is shown from both sides.

    Parameters
    ----------
    index
        The folder of an index.
    threshold
        Cosine from which on two rows count as the same. Chosen from the pairs if not given; changed without a scan.
    by
        looks: what pictures look like from afar, for copies (the default where there are pictures); model: its vectors.
    least
        Cosine from which on pairs are kept for that.
    against
        An index of other data by the same model, such as the test data: what is in both is a leak.
    sheet
        A picture with ten pairs just above the line and ten just below it.
    out
        A .parquet or .csv of all rows with the column `group`, for train --same group.
    """
    from kontrast.commands.duplicates import duplicates as found

    files = {"sheet": Path(sheet) if sheet else None, "out": Path(out) if out else None}
    result, lines = found(index, threshold=threshold, by=by, least=least, against=against, **files)
    _print([strict_json.dumps(result)] if as_json else lines)
    return 0


def mine(
    index: str,
    *,
    out: Out,
    by: str | None = None,
    negatives: int = 1,
    range_min: int = 0,
    range_max: int = 100,
    absolute_margin: float = 0.0,
    relative_margin: float = 0.05,
    min_score: float = -1.0,
    max_score: float = 1.0,
    sampling: str = "top",
    model: str | None = None,
    seed: int = 0,
    debug: Debug = False,
) -> int:
    """Find hard negatives: near an anchor, and not its positive; written as a table that train reads.

    Parameters
    ----------
    index
        The folder of an index.
    out
        A .parquet or .csv: anchor, positive, negative; of pictures a, b, label; of pictures with captions image, text.
    by
        A column whose equal values belong together, such as label; else anchor and positive, or picture and caption.
    negatives
        How many for each anchor.
    range_min
        The first rank that counts, from 0 on.
    range_max
        The rank before which they end.
    absolute_margin
        How far below the positive's cosine a negative must lie.
    relative_margin
        The same as a share of the positive's cosine.
    min_score
        The least cosine of a negative.
    max_score
        Its greatest.
    sampling
        top (the hardest) or random (keyed by --seed).
    model
        The folder of the model, where that has moved.
    """
    from kontrast.commands.mine import mine as found

    knobs = {"negatives": negatives, "range_min": range_min, "range_max": range_max, "min_score": min_score}
    margins = {"absolute_margin": absolute_margin, "relative_margin": relative_margin, "max_score": max_score}
    _, lines = found(index, Path(out), by=by, model=model, seed=seed, sampling=sampling, **knobs, **margins)
    _print(lines)
    return 0


def map(
    index: str,
    *,
    out: Out,
    how: str = "auto",
    colour: str | None = None,
    seed: int = 0,
    debug: Debug = False,
) -> int:
    """Draw a map: one offline page with pictures or texts under the pointer, colours, search, and a lasso to CSV.

    Parameters
    ----------
    index
        The folder of an index.
    out
        The page, a name that ends in .html.
    how
        pca, tsne or umap; auto: t-SNE up to 5,000 rows, above UMAP where it is installed, else PCA.
    colour
        The column that colours the points first.
    """
    from kontrast.commands.map import map_index

    _print(map_index(index, Path(out), how=how, colour=colour, seed=seed)[1])
    return 0


def explore(
    index: str,
    *,
    port: int = 0,
    how: str = "auto",
    colour: str | None = None,
    model: str | None = None,
    seed: int = 0,
    debug: Debug = False,
) -> int:
    """Serve the map as a live page on this machine: search by words or a picture, neighbours, suspects, selections.

    Parameters
    ----------
    index
        The folder of an index.
    port
        Of 127.0.0.1; any that is free if not given. The address that is printed holds a secret: it opens the page.
    how
        pca, tsne or umap; auto: t-SNE up to 5,000 rows, above UMAP where it is installed, else PCA.
    colour
        The column that colours the points first.
    model
        The folder of the model, where that has moved.
    """
    from kontrast.commands.explore import explore as serve

    serve(index, port=port, how=how, colour=colour, model=model, seed=seed, say=lambda line: _print([line]))
    return 0


def compare(
    *models: str,
    data: str,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    k: Annotated[int, Parameter(name=["--k", "-k"])] = 10,
    split: str | None = None,
    labels: str | None = None,
    seed: int = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare models on the same data: scores with ranges, settings that differ, and whose neighbours have changed.

    Parameters
    ----------
    models
        Two or more run or model folders; the first is compared with each of the others.
    data
        What all of them embed.
    out
        A page with the samples whose neighbours changed most, a name that ends in .html.
    k
        Neighbours of a sample.
    """
    from kontrast.commands.compare import compare as found

    how = {"split": split, "labels": labels}
    result, lines = found(models, data, out=Path(out) if out else None, k=k, seed=seed, **how)
    _print([strict_json.dumps(result)] if as_json else lines)
    return 0


def _print(lines: list[str]) -> None:
    """Of several processes the first one speaks."""
    if os.environ.get("RANK", "0") == "0" or "WORLD_SIZE" not in os.environ:
        for line in lines:
            put(line)
        sys.stdout.flush()


VERBS = (index, duplicates, mine, map, explore, compare)
