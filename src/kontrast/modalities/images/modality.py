"""DOC kontrast.modalities.images.modality."""

from __future__ import annotations
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
import torch
from kontrast.run import chunking
from kontrast.modalities.images import report
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast import methods
from kontrast.modalities.images.batches import ImageBatches
from kontrast.run.guide import Guided
from kontrast.data.scored_pairs import similar_ids
from kontrast.modalities.images.random_negatives import WithOthers
from kontrast.modalities.pairs.batches import PairBatches
from kontrast.data.pixels.store import Ids
from kontrast.data.source import CALLED, Source
from kontrast.modalities.texts.batches import ROLES, TextBatches
from kontrast.encoders.images.by_name import image_encoder
from kontrast.encoders.text.open import text_encoder
from kontrast.errors import Unfit
from kontrast.evaluate import labelled
from kontrast.modalities.texts import evaluation
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.distributed import gather
from kontrast.negatives import parsed
from kontrast.modalities.pairs.model import PairModel, started
from kontrast.positives.images.view import Mode, Recipe
from kontrast.negatives.by_rule import RULES
from kontrast.positives.texts.wordnet import WordNet
from kontrast.recipes.resolve import Plan
from kontrast.modalities.texts.model import TextModel
from kontrast.training.loop import Batches
from kontrast.training.run_folder import Folder
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
from kontrast.modalities.modality import Kit
from kontrast.run.guide import _guided
from kontrast.encoders.norm import normed
from kontrast.modalities.images.evaluation import evaluate


def _images(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    s, recipe = plan.settings, parts.recipe
    assert recipe and s.encoder and s.channels and s.image_size and s.seed is not None
    encoder = image_encoder(s.encoder, channels=s.channels, image_size=s.image_size, seed=s.seed,
                            pretrained=bool(s.pretrained), zero_init=s.zero_init is not False)  # fmt: skip
    encoder = normed(encoder, s, old_weights=weights_from is not None or Path(s.encoder).is_dir())
    if weights_from is not None:
        encoder.load_state_dict(load(weights_from).encoder.state_dict())
    size, mean, std, white = s.image_size, recipe.mean, recipe.std, recipe.white
    _takes(encoder, s.encoder, s.channels, {view.size for view in recipe.views} - {size})

    def leave(folder: Folder, model: Any, before: Any, summary: dict[str, Any], say: Callable[[str], None]) -> None:
        report.leave(folder, plan, parts, model, before=before, summary=summary, say=say)

    def score(model: Any, source: Source, ids: Ids) -> tuple[str, float]:
        labelled = source.labels is not None and len(set(source.labels[ids].tolist()) - {-1}) > 1
        test, name = ("knn", "knn_top1") if labelled else ("views", "recall_at_1")
        result = evaluate({"learned": model.embed_source}, source, recipe=recipe, protocols=[test])
        name = "spearman" if source.kind == "judged" else name  # always given there
        return name, float(result["learned"][name])

    return Kit(
        encoder, _pictures(plan, recipe, parts.device), lambda trained: Model(trained, size, mean, std, white), leave,
        score, learned=weights_from is not None or bool(s.pretrained),
    )  # fmt: skip


@torch.no_grad()
def _takes(encoder: torch.nn.Module, name: str, channels: int, sizes: set[int]) -> None:
    """Unfit, unless the encoder takes small crops too: some are made for one size of picture."""
    training = encoder.training
    for side in sorted(sizes):
        try:
            encoder.eval()(torch.zeros(1, channels, side, side))
        except (RuntimeError, ValueError, AssertionError):
            raise Unfit(f"--crops: {name} takes pictures of one size, and not crops of {side} pixels.") from None
    encoder.train(training)


def _pictures(plan: Plan, recipe: Recipe, device: torch.device) -> Callable[..., Any]:
    """Batches of views of pictures by this recipe; with random negatives beside them if `training`."""
    s, more = plan.settings, parsed(plan.settings.negatives or "").random
    rank, processes = gather.rank(), gather.processes()

    def batches(source: Source, ids: Ids, batch_size: int, seed: int, steps: int, *, training: bool) -> Batches:
        mode: Mode = "exact" if s.view_mode == "exact" else "fast"
        views = ImageBatches(source, ids, recipe, batch_size, seed, steps, mode=mode, device=device,
                             workers=s.workers or 0, rank=rank, processes=processes,
                             same=source.groups is not None)  # fmt: skip
        if not training:
            return views
        made: Batches = WithOthers(views, more, rank=rank, processes=processes) if more else views
        return _guided(plan, made, source, ids, batch_size, seed)

    return batches
