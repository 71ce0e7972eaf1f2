"""Pictures with captions: what a run on them needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from kontrast.data.sampler import Sampler
from kontrast.data.source import Source
from kontrast.encoders.clip.presets import PAPER
from kontrast.encoders.images.backbones import known
from kontrast.encoders.images.folders import stored
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, two_towers
from kontrast.exchange import formats, open_clip
from kontrast.exchange.card import About, Certificate
from kontrast.keyed import Ids
from kontrast.modalities.images.modality import image_batches, looked, view_recipe
from kontrast.modalities.modality import Request, Samples, Sections
from kontrast.modalities.pairs.batches import PairBatches
from kontrast.modalities.pairs.evaluation import evaluated
from kontrast.modalities.pairs.model import PairModel, load_pairs, mixed, started
from kontrast.negatives import rules_of
from kontrast.positives.images.view import Recipe
from kontrast.recipes.resolve import Plan
from kontrast.report import sections
from kontrast.report.text_neighbours import Answer, Quote, captions_and_pictures
from kontrast.settings import Settings
from kontrast.training.loop import Batches

EXAMPLES = 6  # pairs shown in the report


class Pairs:
    """Pictures and the sentences that go with them."""

    name = "pairs"
    channels: int | None = 3
    pictures, groups = True, False
    unused: tuple[str, ...] = ("pooler", "crops", "zero_init", "pretrained", "same", "tune", "layer_decay")

    def precheck(self, settings: Settings) -> None:
        name = settings.encoder
        if name is not None and name != "small" and name not in PAPER and not Path(name).is_dir():
            known(name)

    def check(self, source: Source, settings: Settings) -> None:
        if source.kind != "pairs":
            raise Unfit(
                f"{source.name} holds {source.kind}; {settings.method} needs pictures with captions, such as a table."
            )
        if settings.norm in ("group", "frozen"):
            raise Unfit(f"--norm {settings.norm} is for picture encoders alone; {settings.method} has no other.")

    def weights(self, settings: Settings, weights_from: str | Path | None) -> tuple[str, int] | None:
        folder = weights_from or settings.encoder
        if folder is None or not Path(folder).is_dir():
            return None
        size = open_clip.image_size(Path(folder)) if open_clip.holds(Path(folder)) else stored(folder).look.size
        return settings.encoder or str(folder), size

    def recipe(self, plan: Plan, source: Source) -> Recipe | None:
        return view_recipe(plan.settings, source)

    def open(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> OpenedPairs:
        return OpenedPairs(plan, samples, weights_from)

    def holds(self, folder: Path) -> bool:
        return open_clip.holds(folder)

    def load(self, folder: Path) -> PairModel:
        return load_pairs(folder)

    def evaluate(self, path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
        return evaluated(path, data, request)


class OpenedPairs:
    """Pictures with captions ready for one run: see `modality.Opened`."""

    masks = False

    def __init__(self, plan: Plan, samples: Samples, weights_from: str | Path | None) -> None:
        s, recipe = plan.settings, samples.recipe
        assert recipe is not None
        self.plan, self.samples = plan, samples
        captions = [caption for several in samples.source.captions(samples.train_ids) for caption in several]
        self.pairs = started(
            str(weights_from or s.encoder),
            plan.config.text,
            captions,
            looked(None, recipe, s.image_size),
            seed=s.seed,
            sigmoid=plan.config.loss == "sigmoid",
        )
        began = Path(weights_from or s.encoder)
        joined = began.is_dir() and open_clip.holds(began)  # else what joins the two towers begins at random
        if self.pairs.image_size != s.image_size:
            size = self.pairs.image_size
            raise Unfit(f"These weights take pictures of {size} pixels: --image-size {size}.")
        self.recipe = replace(recipe, mean=self.pairs.look.mean, std=self.pairs.look.std)
        self.encoder = self.pairs.towers
        self.learned = weights_from is not None or s.pretrained or joined

    def batches(self, source: Source, sampler: Sampler, *, training: bool) -> Batches:
        pictures = image_batches(self.plan, self.samples, self.recipe, source, sampler)
        rules = rules_of(self.plan.settings.negatives or "") if training else ()
        views = PairBatches(pictures, self.pairs.captions, cut=self.encoder.text.cuttable, rules=rules)
        looks = self.plan.config.looks
        if (training or looks) and (words := self.encoder.reader("text")):
            views.read(words, self.samples.device)
        if looks and (seen := self.encoder.reader("image")):
            views.read_pictures(seen, self.pairs.look, looks if training else 1)
        return views

    def model(self, encoder: Any) -> PairModel:
        return PairModel(replace(self.pairs, towers=encoder))

    def score(self, model: Any, source: Source, ids: Ids) -> dict[str, float]:
        name, value = (
            "recall_at_1",
            float(two_towers.evaluate({"learned": model}, source, ids)["learned"]["recall_at_1"]),
        )
        return {name: value}

    def export(self, folder: Path, model: Any, about: About) -> Certificate:
        return formats.write(folder, model, about)

    def evaluate(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """With what was forgotten halfway to the first weights, where something was."""
        assert self.samples.check is not None
        began, check, ids = columns["before"], self.samples.check, self.samples.check_ids
        shown = {n: m for n, m in columns.items() if n != "before" or m is not columns["random_weights"]}
        result = two_towers.evaluate(shown, check, ids)
        if "WARNING" in two_towers.sentence(result):
            halfway = two_towers.evaluate({"learned": mixed(began, columns["learned"])}, check, ids)["learned"]
            result["about"]["halfway"] = halfway
        return result

    def table(self, result: Mapping[str, Any]) -> list[str]:
        return formatting.table(result)

    def sentence(self, result: Mapping[str, Any]) -> str:
        return two_towers.sentence(result)

    def sections(self, columns: Mapping[str, Any], result: Mapping[str, Any], run: Path) -> Sections:
        """Captions with the pictures they find, pictures with captions, and some pairs as they were given."""
        source, check, ids = self.samples.source, self.samples.check, self.samples.train_ids[:EXAMPLES]
        by_caption: list[Quote] = []
        by_picture: list[Quote] = []
        if check is not None and "text" in check.columns:
            shown = {name: columns[name] for name in ("learned", "before")}
            by_caption, by_picture = captions_and_pictures(
                shown, check, self.samples.check_ids, self.plan.settings.seed
            )
        pairs = [
            Quote(picture, {"its captions": [Answer(text, math.nan) for text in captions]})
            for picture, captions in zip(source.images(ids), source.captions(ids))
        ]
        return Sections(
            more=[
                sections.quotes(by_caption, "Captions find pictures", "Held-out captions and their nearest pictures."),
                sections.quotes(by_picture, "Pictures find captions", "Held-out pictures and their nearest captions."),
                sections.quotes(pairs, "What counted as the same", "A picture and any of its captions."),
            ],
            commands=[
                f'kontrast search {quote(str(run))} {quote(source.name)} --query "any words" --sheet found.png',
                f"kontrast search {quote(str(run))} {quote(source.name)} --query 0 --sheet found.png",
                f"kontrast embed {quote(str(run))} {quote(source.name)} -o vectors.npy",
                f"kontrast evaluate {quote(str(run))} {quote(source.name)}",
            ],
        )
