"""`kontrast preview`: the views of a run, drawn before (or long after) it, from their keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kontrast.commands.outputs import claim_picture, write_picture
from kontrast.data.sampler import Sampler
from kontrast.errors import Unfit
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images.view import Keys
from kontrast.report.contact_sheet import views_sheet
from kontrast.run.plan import planned_on
from kontrast.settings import from_mapping

SHOWN = 8  # samples on a sheet


def preview(data: Any, out: Path, *, epoch: int = 0, ids: list[int] | None = None, **settings: Any) -> list[str]:
    """Draw originals and views of some samples to a picture file; returns lines that say what was drawn."""
    claim_picture("--out", out, (data,))
    plan, samples = planned_on(data, from_mapping(settings, "preview"))
    if samples.recipe is None:
        raise Unfit(f"{samples.source.name} holds {samples.source.kind}; preview draws views of pictures.")
    recipe = samples.recipe
    known = set(samples.source.ids.tolist())
    for sample in ids or ():
        if sample not in known:
            raise Unfit(
                f"--id {sample} is not a usable sample of {samples.source.name} (0 to {len(samples.source) - 1})."
            )
    chosen = np.array(ids if ids else samples.train_ids[:SHOWN], dtype=np.int64)
    chosen = chosen[~np.isin(chosen, list(samples.source.unreadable(chosen)))]
    if not len(chosen):
        raise Unfit(f"{samples.source.name}: none of the pictures to show can be read; kontrast check says why.")
    pictures = samples.source.images(chosen)
    seed, mode = plan.settings.seed, plan.settings.view_mode
    grouped, all_ids, rows = (
        samples.source.groups is not None,
        samples.source.ids,
        samples.source.kind == "scored_pairs",
    )
    pool = samples.train_ids if np.isin(chosen, samples.train_ids).all() else all_ids  # partners are drawn from these
    batches = ImageBatches(samples.source, Sampler(pool, 1, seed, 1), recipe, mode=mode, same=grouped)
    keys = None if grouped or rows else Keys(seed, epoch, chosen)
    sheet = views_sheet(pictures, batches.drawn(chosen, epoch), recipe, keys)
    try:
        write_picture(out, sheet)
    except (OSError, ValueError) as problem:
        raise Unfit(f"--out {out} cannot be written as a picture: {problem}.") from None
    return [
        f"views    {recipe.name} ({recipe.source})",
        f"         {len(batches.recipe.views)} views of {len(chosen)} samples, epoch {epoch}",
        *(f"         {line}" for line in recipe.messages),
        *(["         every second view is of another picture of its group (--same)"] if grouped else []),
        *(["         the second view is of the second picture of the row (a, b, label)"] if rows else []),
        f"sheet    {out}: originals first, then their views",
    ]
