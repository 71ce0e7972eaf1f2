"""From data and words to what is about to run: the complete plan, the parts it needs, and what was understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kontrast import methods
from kontrast.data import scored_pairs
from kontrast.data.check import check
from kontrast.data.pixels.store import Ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.modalities.texts.batches import ROLES
from kontrast.errors import Unfit
from kontrast.positives.images import papers
from kontrast.positives.images.view import Recipe
from kontrast.recipes.resolve import Plan, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.distributed import processes
from kontrast.modalities.modality import Parts
from kontrast.run.samples import _held_out, _rows_taken, _side





def planned_on(data: Any, said: Settings) -> tuple[Plan, Parts]:
    """The complete plan for this data, and the parts it needs."""
    labels = said.labels if isinstance(said.labels, str) else None
    reads = methods.entry(said.method or "simclr").kind
    if said.same and reads != "images":
        raise Unfit(f"--same is for pictures: {said.method} reads {reads}, and its positives are the data's own.")
    said = _sized_by_crops(said)
    source = open_source(data, labels=labels, split=said.split, columns=said.columns, strict=bool(said.strict),
                         channels=3 if reads == "pairs" else said.channels, workers=said.workers,
                         same=said.same, white=said.white)  # fmt: skip
    source = _rows_taken(source, said)
    if reads == "pairs" and source.kind != "pairs":
        raise Unfit(f"{source.name} holds {source.kind}; {said.method} needs pictures with captions, such as a table.")
    if reads == "texts" and (source.kind not in ROLES or source.pictures is not None):
        raise Unfit(f"{source.name} holds {source.kind}; {said.method} needs sentences, or pairs or triplets of them.")
    check, check_ids, train_ids = _held_out(source, said)
    if check is not None and check.kind == "judged":
        check = scored_pairs.decided(check, said.similar_from, must=False)
    if said.evaluate_every and check is None:
        raise Unfit(f"--evaluate-every needs held-out data, and {source.name} keeps none back: give --validate DATA.")
    device = processes.device(said.device)
    torch.set_num_threads(said.threads or processes.threads())
    fast_bf16 = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    facts = Facts(len(train_ids), _side(source), source.channels, device.type == "cuda", fast_bf16,
                  partners=source.kind in ("pairs", "triplets", "judged"))  # fmt: skip
    plan = planned(said.over(Settings(device=device.type, threads=torch.get_num_threads())), facts)
    s = plan.settings
    assert s.batch_size and s.views
    if s.batch_size > len(train_ids):
        raise Unfit(f"--batch-size {s.batch_size} is more than the {len(train_ids)} samples there are to train on.")
    recipe = None if reads == "texts" else papers.recipe(s.views, s.image_size or 0, s.channels or 0, crops=s.crops)
    if source.kind == "judged":
        taken = scored_pairs.taken(source, train_ids, plan.config, s.said())
        source = replace(source, said=(*source.said, taken))
    if recipe and source.bits == 16:
        recipe = replace(recipe, white=source.white)
    return plan, Parts(source, train_ids, check, check_ids, recipe, device)




def _sized_by_crops(said: Settings) -> Settings:
    """Crops of a said size are what the encoder sees: the largest is the picture size, unless that is said too."""
    largest = max(size for _, size in papers.parse_crops(said.crops, 0)) if said.crops else 0
    return replace(said, image_size=largest) if largest and said.image_size is None else said






def announce(plan: Plan, parts: Parts, say: Callable[[str], None]) -> None:
    """What was understood, before anything is done."""
    source = parts.source
    skipped = f", {len(source.skipped)} skipped" if source.skipped else ""
    say(f"data     {source.name}: {len(source.ids):,} {CALLED[source.kind]}{skipped}")
    for line in (*source.said, *(parts.recipe.said if parts.recipe else ())):
        say(f"         {line}")
    for _, name, reason in source.skipped[:5]:
        say(f"         skipped {name}: {reason}")
    for line in check(replace(source.part(parts.train_ids), skipped=()), parts.check).lines():
        say(f"         {line}")
    say(f"recipe   {plan.recipe}; what differs from it and why:")
    for choice in plan.choices:
        if choice.published is not None and choice.value != choice.published:
            say(
                f"         {choice.name} {_short(choice.value)} (published {_short(choice.published)}): {choice.reason}"
            )
    chosen = plan.settings
    softmax = chosen.temperature and source.kind != "judged"
    size = f" on {chosen.image_size} px" if chosen.image_size else ""
    say(
        f"plan     {chosen.encoder}{size}, {chosen.epochs} epochs, batch {chosen.batch_size}, "
        f"{chosen.optimizer} lr {_short(chosen.lr)}, "
        f"{f'temperature {chosen.temperature:g}, ' if softmax else ''}{chosen.precision}, {parts.device}"
    )


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
