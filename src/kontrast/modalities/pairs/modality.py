"""DOC kontrast.modalities.pairs.modality."""

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
from kontrast.modalities.modality import Kit, _rules
from kontrast.modalities.images.modality import _pictures
from kontrast.run.guide import _guided


def _pairs(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    s, recipe = plan.settings, parts.recipe
    assert recipe and s.encoder and s.image_size and s.seed is not None
    captions = [caption for several in parts.source.captions(parts.train_ids) for caption in several]
    pairs = started(str(weights_from or s.encoder), plan.config.text, captions, image_size=s.image_size, seed=s.seed,
                    mean=recipe.mean, std=recipe.std, sigmoid=plan.config.loss == "sigmoid")  # fmt: skip
    if pairs.image_size != s.image_size:
        raise Unfit(f"These weights take pictures of {pairs.image_size} pixels: --image-size {pairs.image_size}.")
    pictures = _pictures(plan, replace(recipe, mean=pairs.mean, std=pairs.std), parts.device)
    cut, rules = pairs.towers.text.cuttable, _rules(plan)

    def batches(source: Source, ids: Ids, batch_size: int, seed: int, steps: int, *, training: bool) -> Batches:
        shown = pictures(source, ids, batch_size, seed, steps, training=False)
        views = PairBatches(shown, pairs.captions, cut=cut, rules=rules if training else ())
        if training and (reader := pairs.towers.reader()):
            views.read(reader, parts.device)
        return _guided(plan, views, source, ids, batch_size, seed) if training else views

    def leave(folder: Folder, model: Any, before: Any, summary: dict[str, Any], say: Callable[[str], None]) -> None:
        columns = {"learned": model} | ({} if before is None else {"before": before})
        columns["random_weights"] = model.random(s.seed)
        report.leave(folder.path, model=model, columns=columns, check=parts.check, ids=parts.check_ids,
                           summary=summary, say=say)  # fmt: skip
        report.report(folder, model, columns, plan, parts, summary=summary, say=say)
        folder.write_json("summary.json", summary)

    def score(model: Any, source: Source, ids: Ids) -> tuple[str, float]:
        return "recall_at_1", float(report.evaluate({"learned": model}, source, ids)["learned"]["recall_at_1"])

    return Kit(pairs.towers, batches, lambda towers: PairModel(replace(pairs, towers=towers)), leave, score,
               learned=weights_from is not None or bool(s.pretrained) or Path(s.encoder).is_dir())  # fmt: skip
