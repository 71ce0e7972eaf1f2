"""From data and words to what is about to run: the complete plan, the samples, and what was understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kontrast.data import scored_pairs
from kontrast.data.check import check
from kontrast.data.exclude import without
from kontrast.data.open import Source, open_source
from kontrast.distributed import processes
from kontrast.errors import Unfit, shown
from kontrast.modalities import registry
from kontrast.modalities.modality import Samples
from kontrast.positives.images import papers
from kontrast.recipes.resolve import Plan, planned
from kontrast.recipes.rules import Facts
from kontrast.run.samples import chosen_on, held_out, rows_taken
from kontrast.settings import Settings


def planned_on(data: Any, requested: Settings, weights_from: str | Path | None = None) -> tuple[Plan, Samples]:
    """The complete plan for this data, and what it will run on. weights_from: the run or folder of `--from`."""
    requested = _sized_by_crops(replace(requested, method=requested.method or "simclr"))
    modality = registry.of_method(str(requested.method))
    source = rows_taken(opened(data, requested), requested)
    modality.check(source, requested)
    weights = modality.weights(requested, weights_from)
    checks, check_ids, train_ids = held_out(source, requested)
    choose, checks = chosen_on(source, checks, requested, bool(requested.evaluate_every or weights))
    check_ids = check_ids if choose is None or checks is None else checks.ids
    if requested.evaluate_every and checks is None:
        raise Unfit(f"--evaluate-every needs held-out data, and {source.name} keeps none back: give --validate DATA.")
    device = processes.device(requested.device)
    torch.set_num_threads(requested.threads or processes.threads())
    machine = Settings(device=device.type, threads=torch.get_num_threads())
    facts = replace(facts_of(source, len(train_ids), device), weights=weights, held_out=len(check_ids))
    plan = planned(requested.over(machine), facts)
    if plan.settings.batch_size > len(train_ids):
        raise Unfit(
            f"--batch-size {plan.settings.batch_size} is more than the {len(train_ids)} samples there are to train on."
        )
    if source.kind == "scored_pairs":
        taken = scored_pairs.taken(source, train_ids, plan.config, plan.settings.requested())
        source = replace(source, messages=(*source.messages, taken))
    return plan, Samples(source, train_ids, checks, check_ids, modality.recipe(plan, source), device, choose)


def opened(data: Any, requested: Settings) -> Source:
    """The data, read as the method's kind of data needs it."""
    modality = registry.of_method(str(requested.method))
    if requested.same and not modality.groups:
        raise Unfit(
            f"--same is for pictures: {requested.method} reads {modality.name}, and its positives are the data's own."
        )
    source = open_source(
        data,
        labels=requested.labels,
        split=requested.split,
        columns=requested.columns,
        strict=bool(requested.strict),
        channels=modality.channels or requested.channels,
        workers=requested.workers,
        same=requested.same,
        white=requested.white,
        follow_links=bool(requested.follow_links),
        texts_only=not modality.pictures,
        survey=bool(requested.survey),
    )
    return source if requested.exclude is None else without(source, requested.exclude)


def facts_of(source: Source, n: int, device: torch.device) -> Facts:
    """What the rules look at."""
    sides = [min(shape) for shape, many in source.shapes.items() for _ in range(many)]
    side = int(np.median(sides)) if sides else min(source.size or (224, 224))
    fast_bf16 = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    partners = source.kind in ("pairs", "triplets", "scored_pairs")
    return Facts(n, side, source.channels, device.type == "cuda", fast_bf16, partners)


def _sized_by_crops(requested: Settings) -> Settings:
    """Crops of a given size are what the encoder sees: the largest is the picture size, unless that is given too."""
    crops = papers.parse_crops(requested.crops, requested.image_size) if requested.crops is not None else []
    return replace(requested, image_size=crops[0][1]) if crops and requested.image_size is None else requested


def announce(plan: Plan, samples: Samples, say: Callable[[str], None]) -> None:
    """What was understood, before anything is done."""
    source = samples.source
    skipped = f", {len(source.skipped)} skipped" if source.skipped else ""
    say(f"data     {shown(source.name)}: {len(source.ids):,} {source.called}{skipped}")
    for line in (*source.messages, *(samples.recipe.messages if samples.recipe else ())):
        say(f"         {line}")
    for _, name, reason in source.skipped[:5]:
        say(f"         skipped {shown(name)}: {reason}")
    for line in check(replace(source.part(samples.train_ids), skipped=()), samples.check).lines():
        say(f"         {line}")
    say(f"recipe   {plan.recipe}; what differs from it and why:")
    for choice in plan.choices:
        if choice.value == choice.published or (choice.published is None and choice.name not in NOT_PUBLISHED):
            continue
        beside = "" if choice.published is None else f" (published {_short(choice.published)})"
        say(f"         {choice.name} {_short(choice.value)}{beside}: {choice.reason}")
    s = plan.settings
    softmax = s.temperature and source.kind != "scored_pairs"
    size = f" on {s.image_size} px" if s.image_size else ""
    say(
        f"plan     {s.encoder}{size}, {s.epochs} epochs, batch {s.batch_size}, {s.optimizer} lr {_short(s.lr)}, "
        f"{f'temperature {s.temperature:g}, ' if softmax else ''}{s.precision}, {samples.device}"
    )


NOT_PUBLISHED = ("tune", "layer_decay", "norm", "evaluate_every")  # no paper says them, trained weights want them


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
