"""Rows of two members and a judgement (a, b, label): the samples are the rows, and the margin loss takes both kinds.

Sentences come so from their table. Of pictures a source has each one once, and `Source.scored` tells the rows;
`by_rows` makes the rows its samples. Both then have the columns `score`, as it is in the table, and `similar`, 1 or 0.

    listing of pictures   a of row 0, a of row 1, ..., b of row 0, b of row 1, ...       ids: the first half

Shapes: R rows, N places of the listing, M usable rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast.data.pixels.store import InMemory, OnDemand, Pictures
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.keyed import Ids

NO_PLACE: Mapping[str, str] = {  # settings that the margin loss has no place for
    "same": "the labels say who belongs together",
    "crops": "each of the two has one view",
    "negatives": "the rows bring their own dissimilar ones",
    "decoupled": "there is no softmax",
    "mlm": "masked words are not learned beside labels",
}


def by_rows(source: Source) -> Source:
    """The rows as samples, if the source is of pictures with rows beside them; else itself."""
    if source.scored is None or source.kind == "scored_pairs":
        return source
    first_R, second_R, score_R = source.scored
    place_N, rows = np.concatenate([first_R, second_R]), len(first_R)
    digests = {row: b"".join(source.digests[int(i)] for i in two) for row, two in enumerate(zip(first_R, second_R))}
    return replace(
        source,
        kind="scored_pairs",
        names=[source.names[int(i)] for i in place_N],
        ids=np.arange(rows),
        digests=digests,
        pictures=_renumbered(source.pictures, place_N),
        columns={"score": [*score_R, *score_R]},
        scored=(np.arange(rows), np.arange(rows, 2 * rows), score_R),
    )


def each_once(source: Source) -> Source:
    """The pictures of the usable rows, each once, under the first of its places. Other sources: themselves."""
    if source.kind != "scored_pairs" or source.scored is None:
        return source
    _, first_N, number_N = np.unique(source.names, return_index=True, return_inverse=True)
    places = np.concatenate([source.ids, Second(source).partner(source.ids)])
    return replace(source, kind="images", ids=np.unique(first_N[number_N[places]]), scored=None, digests={})


@dataclass(frozen=True)
class Second:
    """Who stands beside the first member of each row: always the row's own second."""

    source: Source

    def partner(self, ids_B: Ids, seed: int = 0, epoch: int = 0) -> Ids:
        """The place of each row's second member in the listing."""
        assert self.source.scored is not None
        second_B: Ids = self.source.scored[1][ids_B]
        return second_B


def similar(source: Source, ids_B: Ids, device: torch.device) -> dict[str, Tensor]:
    """What a batch is given of these rows, {"similar": (B, 1)}, 1 or 0; nothing where nobody scored."""
    if "similar" not in source.columns:
        return {}
    similar_B = [source.columns["similar"][row] for row in ids_B.tolist()]
    return {"similar": torch.tensor(similar_B, dtype=torch.float32, device=device)[:, None]}


def decided(source: Source, similar_from: float | None, *, must: bool = True) -> Source:
    """With a column `similar`: whether a row's score is 1 or, where said, `similar_from` at least.

    must: Unfit where the scores are not 0 and 1 and nobody says where similar begins; else the source as it is.
    """
    score_N = np.asarray(source.columns["score"], dtype=np.float64)
    score_M = score_N[source.ids]
    if similar_from is None and not np.isin(score_M, (0, 1)).all():
        if must:
            raise Unfit(
                f"{source.name} has scores from {score_M.min():g} to {score_M.max():g}, not only 0 and 1: say from "
                f"which score on the two of a row are similar, such as --similar-from {0.8 * score_M.max():g}."
            )
        return source
    similar_N = (score_N >= (1 if similar_from is None else similar_from)).astype(np.int64)
    return replace(source, columns={**source.columns, "similar": similar_N.tolist()})


def similar_ids(source: Source, ids: Ids) -> Ids:
    """Of scored pairs those whose two are similar, which may be shown as positives; of other sources all."""
    if "similar" not in source.columns:
        return ids
    similar: Ids = ids[np.asarray(source.columns["similar"])[ids] == 1]
    return similar


def taken(source: Source, ids: Ids, config: Any, requested: Mapping[str, Any]) -> str:
    """What is said before training on these rows; Unfit in a sentence where the margin loss cannot learn from them."""
    for name, why in NO_PLACE.items():
        if requested.get(name) or vars(config).get(name):
            raise Unfit(f"--{name} has no place on rows a, b, label ({source.name}): {why}.")
    if config.similarity not in ("cosine", "euclidean"):
        raise Unfit(f"--similarity {config.similarity} is no distance: rows a, b, label take cosine or euclidean.")
    if vars(config).get("contrast", 1.0) != 1:
        raise Unfit(f"--set contrast={config.contrast} has no place on rows a, b, label: the margin loss stands alone.")
    if not config.margin > 0:
        raise Unfit(f"--set margin={config.margin}: a number greater than 0 was expected.")
    similar = int(np.asarray(source.columns["similar"])[ids].sum())
    if similar in (0, len(ids)):
        kind = "similar" if similar else "dissimilar"
        raise Unfit(f"{source.name}: all {len(ids):,} rows to train on are {kind}; the margin loss needs both kinds.")
    distance = "1 - cosine" if config.similarity == "cosine" else "euclidean distance"
    return (
        f"rows a, b, label: {similar:,} of {len(ids):,} similar; margin {config.margin:g} in {distance}, no "
        "temperature; guessing is what one distance for all pairs costs at best"
    )


def refused(source: Source, method: str) -> Unfit:
    """Why this method cannot learn from these rows."""
    of = "sentences" if source.pictures is None else "pictures"
    fits = {"sentences": "simcse", "pictures": "simclr"}[of]
    return Unfit(
        f"{source.name} holds rows of two {of} and a label (a, b, label), and {method} has no use for such rows: "
        f"--method {fits} has."
    )


def _renumbered(pictures: Pictures | None, place_N: Ids) -> Pictures:
    """The same pictures under other ids: number n is what `place_N[n]` was."""
    assert isinstance(pictures, InMemory | OnDemand)
    if isinstance(pictures, InMemory):
        return replace(pictures, row_N=pictures.row_N[place_N])
    read = pictures.read
    return replace(pictures, row_N=pictures.row_N[place_N], read=lambda sample: read(int(place_N[sample])))
