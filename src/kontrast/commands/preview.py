"""`kontrast preview`: the views of a run, drawn before (or long after) it, from their keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from kontrast.modalities.images.batches import ImageBatches
from kontrast.errors import Unfit
from kontrast.report.contact_sheet import views_sheet
from kontrast.run.plan import planned_on
from kontrast.positives.images.view import Keys
from kontrast.settings import from_mapping

SHOWN = 8  # samples on a sheet


def preview(data: Any, out: Path, *, epoch: int = 0, ids: list[int] | None = None, **settings: Any) -> list[str]:
    """Draw originals and views of some samples to a picture file; returns lines that say what was drawn."""
    plan, parts = planned_on(data, from_mapping(settings, "preview"))
    if parts.recipe is None:
        raise Unfit(f"{parts.source.name} holds {parts.source.kind}; preview draws views of pictures.")
    recipe = parts.recipe
    known = set(parts.source.ids.tolist())
    for sample in ids or ():
        if sample not in known:
            raise Unfit(f"--id {sample} is not a usable sample of {parts.source.name} (0 to {len(parts.source) - 1}).")
    chosen = np.array(ids if ids else parts.train_ids[:SHOWN], dtype=np.int64)
    pictures = parts.source.images(chosen)
    assert plan.settings.seed is not None and plan.settings.view_mode is not None
    grouped, all_ids, rows = parts.source.groups is not None, parts.source.ids, parts.source.kind == "judged"
    pool = parts.train_ids if np.isin(chosen, parts.train_ids).all() else all_ids  # partners are drawn from these
    batches = ImageBatches(parts.source, pool, recipe, 1, plan.settings.seed, 1, mode=plan.settings.view_mode,
                           same=grouped)  # fmt: skip
    keys = None if grouped or rows else Keys(plan.settings.seed, epoch, chosen)
    sheet = views_sheet(pictures, batches.drawn(chosen, epoch), recipe, keys)
    try:
        sheet.save(out)
    except (OSError, ValueError) as problem:
        raise Unfit(f"--out {out} cannot be written as a picture: {problem}.") from None
    return [
        f"views    {recipe.name} ({recipe.source})",
        f"         {len(batches.recipe.views)} views of {len(chosen)} samples, epoch {epoch}",
        *(f"         {line}" for line in recipe.said),
        *(["         every second view is of another picture of its group (--same)"] if grouped else []),
        *(["         the second view is of the second picture of the row (a, b, label)"] if rows else []),
        f"sheet    {out}: originals first, then their views",
    ]
