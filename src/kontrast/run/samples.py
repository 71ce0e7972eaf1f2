"""What a run trains on and what it keeps back."""

from __future__ import annotations

import numpy as np

from kontrast import methods
from kontrast.data import scored_pairs
from kontrast.data.open import Source, open_source
from kontrast.data.splits import canonical
from kontrast.errors import Unfit
from kontrast.keyed import Ids
from kontrast.modalities import registry
from kontrast.settings import Settings

HELD_OUT = 2_000  # samples at most that are kept back for the checks
LEAST_HELD_OUT = 10  # fewer say nothing
ENOUGH_FOR_BOTH = 400  # held-out samples, of which half choose weights and half report; fewer do both, and that is said
FOR_CHECKS = ("dev", "validation", "val", "valid")  # splits of --validate DATA that are taken before all of it


def rows_taken(source: Source, requested: Settings) -> Source:
    """Of rows a, b, label: with the rows for samples and what is similar decided, if the method can learn from them."""
    source, method = scored_pairs.by_rows(source), requested.method or "simclr"
    if source.kind != "scored_pairs":
        if requested.similar_from is not None:
            raise Unfit(f"--similar-from is for rows a, b, score; {source.name} holds {source.called}.")
        return source
    entry = methods.entry(method)
    if not entry.scored or (source.pictures is not None) != registry.of_method(method).pictures:
        raise scored_pairs.refused(source, method)
    return scored_pairs.decided(source, requested.similar_from)


def held_out(source: Source, requested: Settings) -> tuple[Source | None, Ids, Ids]:
    """(where checks are made, its ids, ids to train on): other data, the data's own test split, or a part kept back."""
    if len(source.ids) < 2:
        raise Unfit(f"{source.name}: {len(source.ids)} usable sample; contrast needs at least 2.")
    if requested.validate == "none":
        return None, source.ids[:0], source.ids
    if requested.validate not in (None, "part"):
        other = validation(source, requested)
        if len(other.ids) < 2:
            raise Unfit(f"--validate {requested.validate}: {len(other.ids)} usable sample; a check needs at least 2.")
        return other, other.ids, source.ids
    test_ids = source.splits.get("test", source.ids[:0])
    if len(test_ids) > 1 and canonical(requested.split or "") != "test":
        return source.split("test"), test_ids, np.setdiff1d(source.ids, test_ids)
    count = min(HELD_OUT, len(source.ids) // 10)
    if count < LEAST_HELD_OUT:
        return None, source.ids[:0], source.ids
    train_ids, held_ids = source.held_out(count, requested.seed or 0)
    return source.part(held_ids, f"{len(held_ids)} held-out samples of {source.name}"), held_ids, train_ids


def chosen_on(
    source: Source, check: Source | None, requested: Settings, wanted: bool
) -> tuple[Source | None, Source | None]:
    """(where --evaluate-every chooses weights, or None: where they are reported; where they are reported).

    What chose the weights flatters them. So the data's own split for checks chooses where its test split reports, and
    one half of the held-out samples where there are enough for two. wanted: weights are chosen at all.
    """
    if not wanted or check is None:
        return None, check
    own = next((name for name in FOR_CHECKS if len(source.splits.get(name, ())) > 1), None)
    if check.name == f"{source.name} (test)" and own is not None and canonical(requested.split or "") != own:
        return source.split(own), check
    if len(check.ids) < ENOUGH_FOR_BOTH:
        return None, check
    report, choose = check.held_out(0.5, requested.seed or 0)
    return check.part(choose, f"one half of {check.name}"), check.part(report, f"the other half of {check.name}")


def validation(source: Source, requested: Settings) -> Source:
    """The data of `--validate`, of which a split made for checks is taken before all of it."""
    other = open_source(
        requested.validate,
        labels=requested.labels,
        columns=requested.columns,
        channels=source.channels if source.channels in (1, 3) else None,
        follow_links=bool(requested.follow_links),
        texts_only=source.pictures is None,
        survey=bool(requested.survey),
    )
    other = scored_pairs.by_rows(other)
    part = next((name for name in FOR_CHECKS if name in other.splits), None)
    other = (other if part is None else other.split(part)).within(source.white if source.bits == 16 else None)
    if other.kind == "scored_pairs":
        return scored_pairs.decided(other, requested.similar_from, must=False)
    return other
