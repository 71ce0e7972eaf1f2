"""DOC kontrast.modalities.texts.modality."""

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
from kontrast.run.guide import _guided
from kontrast.modalities.modality import SHOWN


def _texts(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    s, source = plan.settings, parts.source
    assert s.encoder and s.views and s.seed is not None and s.method
    words = [text for role in ROLES[source.kind] for text in source.texts(parts.train_ids, role)]
    began = str(s.encoder) if weights_from is None else str(_model_folder(Path(weights_from)))
    encoder = text_encoder(began, texts=words, seed=s.seed, pretrained=bool(s.pretrained), pooler=s.pooler)
    views, _, wordnet_folder = s.views.partition(":")
    wordnet = WordNet.read(wordnet_folder) if wordnet_folder else None
    said, rules = parsed(s.negatives or ""), _rules(plan)

    def batches(source: Source, ids: Ids, batch_size: int, seed: int, steps: int, *, training: bool) -> Batches:
        made = TextBatches(
            source, ids, encoder.tokenizer, batch_size, seed, steps, views=views, wordnet=wordnet, device=parts.device,
            rules=rules, random=said.random if training else 0, rank=gather.rank(), processes=gather.processes(),
        )  # fmt: skip
        return _guided(plan, made, source, ids, batch_size, seed) if training else made

    def leave(folder: Folder, model: Any, before: Any, summary: dict[str, Any], say: Callable[[str], None]) -> None:
        shown = {name: getattr(s, name) for name in SHOWN if getattr(s, name) is not None}
        data = f"{source.name} ({len(parts.train_ids):,} {CALLED[source.kind]})"
        about = {"method": s.method, "data": data, "settings": shown}
        report.leave(folder.path, model, before, parts.check, about, summary=summary, seed=s.seed or 0, say=say)
        few = similar_ids(source, parts.train_ids)[:EXAMPLES]
        sample = TextBatches(source, few, encoder.tokenizer, 1, s.seed or 0, 1, views=views, wordnet=wordnet)
        report.report(
            folder, report.columns_of(model, before, s.seed or 0), parts.check, words[:SEARCHED],
            sample.texts(few, 0), views="judged" if source.kind == "judged" else views, data=source.name,
            summary=summary, seed=s.seed or 0, say=say,
        )  # fmt: skip
        folder.write_json("summary.json", summary)

    def score(model: Any, check: Source, ids: Ids) -> tuple[str, float]:
        return evaluation.score(model.embed_text, check, s.seed or 0)

    return Kit(encoder, batches, TextModel, leave, score, learned=began not in ("small", "static"), masks=True)


def _model_folder(path: Path) -> Path:
    return path / "model" if (path / "model").is_dir() else path
