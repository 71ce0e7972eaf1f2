"""Pictures: what a run on them needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import torch

from kontrast.data.sampler import Sampler
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import Source
from kontrast.encoders.images.backbones import known
from kontrast.encoders.images.by_name import published
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.images.folders import stored
from kontrast.encoders.images.open import image_encoder
from kontrast.encoders.norm import normed
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, suite, view_retrieval
from kontrast.exchange import formats
from kontrast.exchange.card import About, Certificate
from kontrast.keyed import Ids
from kontrast.modalities.images.batches import ImageBatches
from kontrast.modalities.images.evaluation import about, embedders, evaluated
from kontrast.modalities.images.model import Model, load
from kontrast.modalities.images.random_negatives import WithRandom
from kontrast.modalities.modality import Request, Samples, Sections
from kontrast.negatives import parsed
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
from kontrast.preprocessing import Preprocessing
from kontrast.recipes.resolve import Plan
from kontrast.report.contact_sheet import views_sheet
from kontrast.report.image_neighbours import gallery
from kontrast.settings import Resolved, Settings
from kontrast.training.loop import Batches

SHEET_ROWS = 8  # positive pairs on the report's sheet


class Images:
    """Pictures without words."""

    name = "images"
    channels: int | None = None
    pictures, groups = True, True
    unused: tuple[str, ...] = ("pooler",)

    def precheck(self, settings: Settings) -> None:
        name = settings.encoder
        if name is not None and name != "small" and not Path(name).is_dir():
            known(name)
        if settings.crops:
            papers.parse_crops(settings.crops, 0)

    def check(self, source: Source, settings: Settings) -> None:
        """Any pictures will do; what else there is of words stays unread."""
        if source.pictures is None:
            raise Unfit(f"{source.name} holds {source.called}; {settings.method} needs pictures.")

    def weights(self, settings: Settings, weights_from: str | Path | None) -> tuple[str, int] | None:
        began = weights_from or settings.encoder
        if began is None:
            return None
        if Path(began).is_dir():
            spec = stored(began).spec
            if weights_from is None:
                return str(began), spec["image_size"]
            if settings.encoder not in (None, spec["name"]) and not Path(str(settings.encoder)).is_dir():
                raise Unfit(f"--from {weights_from} holds a {spec['name']}, and --encoder says {settings.encoder}.")
            return spec["name"], spec["image_size"]
        if weights_from is not None:
            raise Unfit(f"--from {weights_from}: there is no such folder.")
        look = published(str(began), settings.channels or 3) if settings.pretrained else None
        return None if look is None else (str(began), look.size)

    def recipe(self, plan: Plan, source: Source) -> Recipe | None:
        """The views of the plan, at its size."""
        return view_recipe(plan.settings, source)

    def open(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> OpenedImages:
        return OpenedImages(plan, samples, weights_from)

    def holds(self, folder: Path) -> bool:
        try:
            return bool(stored(folder))
        except Unfit:
            return False

    def load(self, folder: Path) -> Model:
        return load(folder)

    def evaluate(self, path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
        return evaluated(path, data, request)


def view_recipe(settings: Resolved, source: Source) -> Recipe:
    """The recipe that the settings name, for pictures of this depth."""
    made = papers.recipe(settings.views, settings.image_size, settings.channels, crops=settings.crops)
    return replace(made, white=source.white) if source.bits == 16 else made


def looked(of_weights: Preprocessing | None, recipe: Recipe, size: int) -> Preprocessing:
    """How pictures are made ready: as the weights have known them, else as the recipe normalises its views."""
    if of_weights is None:
        return Preprocessing(size, recipe.mean, recipe.std, white=recipe.white)
    return replace(of_weights, white=recipe.white or of_weights.white)


class OpenedImages:
    """Pictures ready for one run: see `modality.Opened`."""

    masks = False

    def __init__(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> None:
        s = plan.settings
        assert samples.recipe is not None
        self.plan, self.samples, self.recipe = plan, samples, samples.recipe
        began = s.encoder if weights_from is None else str(weights_from)
        encoder = image_encoder(
            began,
            channels=s.channels,
            image_size=s.image_size,
            seed=s.seed,
            pretrained=s.pretrained,
            zero_init=s.zero_init is not False,
        )
        self.learned = encoder.look is not None  # random weights have seen no pictures
        self.encoder: ImageEncoder = normed(encoder, s.norm, old_weights=Path(began).is_dir())
        self.look = looked(self.encoder.look, self.recipe, s.image_size)
        self.recipe = replace(self.recipe, mean=self.look.mean, std=self.look.std)
        takes_crops(self.encoder, s.encoder, s.channels, {view.size for view in self.recipe.views} - {s.image_size})

    def batches(self, source: Source, sampler: Sampler, *, training: bool) -> Batches:
        views, more = image_batches(self.plan, self.samples, self.recipe, source, sampler), 0
        if training:
            more = parsed(self.plan.settings.negatives or "").random
        return WithRandom(views, more) if more else views

    def model(self, encoder: Any) -> Model:
        return Model(encoder, self.look)

    def score(self, model: Any, source: Source, ids: Ids) -> dict[str, float]:
        """Scored pairs, or neighbours by label; else, and beside it for weights that know something, fresh views."""
        labelled = source.labels is not None and len(set(source.labels[ids].tolist()) - {-1}) > 1
        name = "spearman" if source.kind == "scored_pairs" else "knn_top1" if labelled else "recall_at_1"
        found: dict[str, float] = {}
        if name != "recall_at_1":
            test = "sts" if name == "spearman" else "knn"
            result = suite.evaluate({"learned": model.embed_source}, source, protocols=[test])
            found[name] = float(result["learned"][name])
        if not found or (self.learned and name == "knn_top1"):
            found["recall_at_1"] = view_retrieval.score(model.embed_source, source, self.recipe)
        return found

    def export(self, folder: Path, model: Any, about: About) -> Certificate:
        return formats.write(folder, model, about)

    def evaluate(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        assert self.samples.check is not None
        return suite.evaluate(
            embedders(columns),
            self.samples.check,
            bank=self._bank,
            recipe=self.recipe,
            seed=self.plan.settings.seed,
            about=about(columns["learned"]),
        )

    def table(self, result: Mapping[str, Any]) -> list[str]:
        return formatting.table(result)

    def sentence(self, result: Mapping[str, Any]) -> str:
        return formatting.sentence(result)

    def sections(self, columns: Mapping[str, Any], result: Mapping[str, Any], run: Path) -> Sections:
        """Positive pairs as drawn, and the neighbours of held-out pictures as every column sees them."""
        samples, seed, questions = self.samples, self.plan.settings.seed, []
        if samples.check is not None:
            asked, among = each_once(samples.check), each_once(self._bank)
            whole = {name: model for name, model in columns.items() if not name.startswith(formatting.FIRST)}
            questions = gallery(embedders(whole), asked, among, seed=seed)
        ids = similar_ids(samples.source, samples.train_ids)[:SHEET_ROWS]
        shown = ImageBatches(
            samples.source, Sampler(samples.train_ids, 1, seed, 1), self.recipe, mode=self.plan.settings.view_mode
        )
        keys = None if samples.source.kind == "scored_pairs" else Keys(seed, 0, ids)
        pairs = views_sheet(samples.source.images(ids), shown.drawn(ids, 0), self.recipe, keys)
        typed, data = quote(str(run)), quote(samples.source.name)
        commands = [
            f"kontrast search {typed} {data} --query 0 --sheet found.png",
            f"kontrast embed {typed} {data} -o vectors.npy",
            f"kontrast evaluate {typed} {data}",
        ]
        return Sections(pairs=pairs, neighbours=questions, commands=commands)

    @property
    def _bank(self) -> Source:
        return self.samples.source.part(self.samples.train_ids)


def image_batches(plan: Plan, samples: Samples, recipe: Recipe, source: Source, sampler: Sampler) -> ImageBatches:
    """Batches of views of pictures by this recipe."""
    s = plan.settings
    return ImageBatches(
        source,
        sampler,
        recipe,
        mode=s.view_mode,
        device=samples.device,
        workers=s.workers,
        same=source.groups is not None,
    )


@torch.no_grad()
def takes_crops(encoder: torch.nn.Module, name: str, channels: int, sizes: set[int]) -> None:
    """Unfit, unless the encoder takes small crops too: some are made for one size of picture."""
    training = encoder.training
    for side in sorted(sizes):
        try:
            encoder.eval()(torch.zeros(1, channels, side, side))
        except (RuntimeError, ValueError, AssertionError):
            raise Unfit(f"--crops: {name} takes pictures of one size, and not crops of {side} pixels.") from None
    encoder.train(training)
