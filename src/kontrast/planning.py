"""From data and words to what is about to run: the complete plan, the parts it needs, and what was understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from kontrast import methods
from kontrast.data import judged
from kontrast.data.check import check
from kontrast.data.pictures import Ids
from kontrast.data.source import CALLED
from kontrast.data.sources import Source, open_source
from kontrast.data.text_batches import ROLES
from kontrast.errors import Unfit
from kontrast.positives import papers
from kontrast.positives.images import Recipe
from kontrast.recipes.defaults import Plan, planned
from kontrast.recipes.rules import Facts
from kontrast.settings import Settings
from kontrast.training import processes

HELD_OUT = 2_000  # samples at most that are kept back for the checks
LEAST_HELD_OUT = 10  # fewer say nothing
FOR_CHECKS = ("dev", "validation", "val", "valid")  # splits of --validate DATA that are taken before all of it


@dataclass
class Parts:
    """What a plan is about to run on."""

    source: Source
    train_ids: Ids
    check: Source | None  # where the checks are made, on
    check_ids: Ids
    recipe: Recipe | None  # of views of pictures
    device: torch.device


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
        check = judged.decided(check, said.similar_from, must=False)
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
        taken = judged.taken(source, train_ids, plan.config, s.said())
        source = replace(source, said=(*source.said, taken))
    if recipe and source.bits == 16:
        recipe = replace(recipe, white=source.white)
    return plan, Parts(source, train_ids, check, check_ids, recipe, device)


def _rows_taken(source: Source, said: Settings) -> Source:
    """Of rows a, b, label: with the rows for samples and what is similar decided, if the method can learn from them."""
    source, method = judged.by_rows(source), said.method or "simclr"
    if source.kind != "judged":
        if said.similar_from is not None:
            raise Unfit(f"--similar-from is for rows a, b, score; {source.name} holds {CALLED[source.kind]}.")
        return source
    takes = any(field == "margin" for field, _, _ in methods.numbers(method))
    if not takes or (source.pictures is None) != (methods.entry(method).kind == "texts"):
        raise judged.refused(source, method)
    return judged.decided(source, said.similar_from)


def _sized_by_crops(said: Settings) -> Settings:
    """Crops of a said size are what the encoder sees: the largest is the picture size, unless that is said too."""
    largest = max(size for _, size in papers.parse_crops(said.crops, 0)) if said.crops else 0
    return replace(said, image_size=largest) if largest and said.image_size is None else said


def _side(source: Source) -> int:
    """The shorter side of the typical picture, in pixels."""
    sides = [min(shape) for shape, many in source.shapes.items() for _ in range(many)]
    return int(np.median(sides)) if sides else min(source.size or (224, 224))


def _held_out(source: Source, said: Settings) -> tuple[Source | None, Ids, Ids]:
    """(where checks are made, its ids, ids to train on): other data, the data's own test split, or a part kept back."""
    if len(source.ids) < 2:
        raise Unfit(f"{source.name}: {len(source.ids)} usable sample; contrast needs at least 2.")
    if said.validate == "none":
        return None, source.ids[:0], source.ids
    if said.validate not in (None, "part"):
        other = open_source(said.validate, labels=said.labels, columns=said.columns,
                            channels=source.channels if source.channels in (1, 3) else None)  # fmt: skip
        other = judged.by_rows(other)
        part = next((name for name in FOR_CHECKS if name in other.splits), None)
        other = (other if part is None else other.split(part)).within(source.white if source.bits == 16 else None)
        return other, other.ids, source.ids
    if "test" in source.splits and said.split != "test":
        test_ids = source.splits["test"]
        return source.split("test"), test_ids, np.setdiff1d(source.ids, test_ids)
    count = min(HELD_OUT, len(source.ids) // 10)
    if count < LEAST_HELD_OUT:
        return None, source.ids[:0], source.ids
    train_ids, held_ids = source.held_out(count, said.seed or 0)
    return source.part(held_ids, f"{len(held_ids)} held-out samples of {source.name}"), held_ids, train_ids


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
