"""Sentences: what a run on them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from kontrast.data.sampler import Sampler
from kontrast.data.scored_pairs import similar_ids
from kontrast.data.source import Source
from kontrast.encoders.text.folders import fetched
from kontrast.encoders.text.open import text_encoder
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, sentences
from kontrast.evaluate.splits import some
from kontrast.exchange import formats
from kontrast.exchange.card import About, Certificate
from kontrast.keyed import Ids
from kontrast.modalities.modality import Request, Samples, Sections
from kontrast.modalities.texts.batches import ROLES, TextBatches, TextViews
from kontrast.modalities.texts.evaluation import embedders, evaluated
from kontrast.modalities.texts.model import TextModel, holds, load_text
from kontrast.negatives import parsed, rules_of
from kontrast.positives.images.view import Recipe
from kontrast.positives.texts.wordnet import WordNet
from kontrast.recipes.resolve import Plan
from kontrast.report import sections, text_neighbours
from kontrast.settings import Settings
from kontrast.training.loop import Batches

EXAMPLES, SEARCHED = 6, 2_000  # positives shown, and training sentences searched, in a report
TOLD = {
    "dropout": "The two are the same words: what differs is what dropout hides.",
    "scored_pairs": "Rows labelled similar: the method learns to bring these together, and others a margin apart.",
}


class Texts:
    """Sentences, alone, in pairs, in triplets, or scored."""

    name = "texts"
    channels: int | None = None
    pictures, groups = False, False
    unused: tuple[str, ...] = (
        "image_size",
        "channels",
        "white",
        "view_mode",
        "crops",
        "zero_init",
        "workers",
        "same",
    )

    def precheck(self, settings: Settings) -> None:
        """A name that is neither ours nor a folder is one of the hub's, which is asked only if it may be."""
        name = settings.encoder
        if name not in (None, "small", "static") and not Path(str(name)).is_dir() and not settings.pretrained:
            fetched(str(name), False)

    def check(self, source: Source, settings: Settings) -> None:
        if source.kind not in ROLES or source.pictures is not None:
            raise Unfit(
                f"{source.name} holds {source.kind}; {settings.method} needs sentences, or pairs or triplets of them."
            )
        if settings.norm in ("group", "frozen"):
            raise Unfit(f"--norm {settings.norm} is for picture encoders alone; {settings.method} has no other.")

    def weights(self, settings: Settings, weights_from: str | Path | None) -> tuple[str, int] | None:
        return None

    def recipe(self, plan: Plan, source: Source) -> Recipe | None:
        return None

    def open(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> OpenedTexts:
        return OpenedTexts(plan, samples, weights_from)

    def holds(self, folder: Path) -> bool:
        return holds(folder)

    def load(self, folder: Path) -> TextModel:
        return load_text(folder)

    def evaluate(self, path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
        return evaluated(path, data, request)


class OpenedTexts:
    """Sentences ready for one run: see `modality.Opened`."""

    masks = True

    def __init__(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> None:
        s, source = plan.settings, samples.source
        self.plan, self.samples = plan, samples
        checks = samples.choose or samples.check
        if s.evaluate_every and checks is not None:
            sentences.scored(checks, s.seed)  # Unfit now, rather than at the first look
        self.words = [text for role in ROLES[source.kind] for text in source.texts(samples.train_ids, role)]
        began = s.encoder if weights_from is None else str(_model_folder(Path(weights_from)))
        self.learned = began not in ("small", "static")
        self.encoder = text_encoder(began, texts=self.words, seed=s.seed, pretrained=s.pretrained, pooler=s.pooler)
        recipe, _, wordnet = s.views.partition(":")
        requested = s.negatives or ""
        self.views = TextViews(
            recipe, WordNet.read(wordnet) if wordnet else None, rules_of(requested), parsed(requested).random
        )

    def batches(self, source: Source, sampler: Sampler, *, training: bool) -> Batches:
        views = self.views if training else replace(self.views, random=0)
        return TextBatches(source, sampler, self.encoder.tokenizer, views, device=self.samples.device)

    def model(self, encoder: Any) -> TextModel:
        return TextModel(encoder)

    def score(self, model: Any, source: Source, ids: Ids) -> dict[str, float]:
        name, value = sentences.score(model.embed_text, source, self.plan.settings.seed)
        return {name: value}

    def export(self, folder: Path, model: Any, about: About) -> Certificate:
        return formats.write(folder, model, about)

    def evaluate(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        assert self.samples.check is not None
        return sentences.evaluate(embedders(columns), self.samples.check, seed=self.plan.settings.seed)

    def table(self, result: Mapping[str, Any]) -> list[str]:
        return formatting.table(result)

    def sentence(self, result: Mapping[str, Any]) -> str:
        return formatting.sentence(result)

    def sections(self, columns: Mapping[str, Any], result: Mapping[str, Any], run: Path) -> Sections:
        """Held-out sentences with what stands nearest, and the texts that counted as the same."""
        source, seed = self.samples.source, self.plan.settings.seed
        few = similar_ids(source, self.samples.train_ids)[:EXAMPLES]
        drawn = TextBatches(source, Sampler(few, 1, seed, 1), self.encoder.tokenizer, replace(self.views, random=0))
        examples = drawn.texts(few, 0)
        head = (["text", "and"] if len(examples) == 2 else ["anchor", "positive", "hard negative"])[: len(examples)]
        views = "scored_pairs" if source.kind == "scored_pairs" else self.views.recipe
        told = TOLD.get(views, "The method learns to bring these together and to keep them apart from all others.")
        found = "Held-out sentences that training never used, each with its nearest as different encoders see them."
        return Sections(
            more=[
                sections.quotes(self._neighbours(columns), "See for yourself", found, raw="TF-IDF"),
                sections.examples([list(row) for row in zip(*examples)], head, told),
            ],
            commands=[
                f'kontrast search {quote(str(run))} {quote(source.name)} --query "any sentence"',
                f"kontrast embed {quote(str(run))} {quote(source.name)} -o vectors.npy",
                f"kontrast evaluate {quote(str(run))} {quote(source.name)}",
            ],
        )

    def _neighbours(self, columns: Mapping[str, Any]) -> list[text_neighbours.Quote]:
        """Ten held-out sentences and their nearest among held-out and training sentences."""
        check, seed, trained = self.samples.check, self.plan.settings.seed, self.words[:SEARCHED]
        if check is None:
            return []
        roles = [role for role in ("text", "anchor", "positive", "first", "second") if role in check.columns]
        ids = some(check.ids, text_neighbours.SENTENCES // 2, "searched", seed)
        among = [text for role in roles for text in check.texts(ids, role)]
        asked = check.texts(some(ids, text_neighbours.QUESTIONS, "questions", seed), roles[0])
        shown = {name: embed for name, embed in embedders(columns).items() if name in ("learned", "before")}
        shown["raw_input"] = sentences.tf_idf([*asked, *among, *trained])
        return text_neighbours.sentences(shown, asked, [*among, *trained])


def _model_folder(path: Path) -> Path:
    return path / "model" if (path / "model").is_dir() else path
