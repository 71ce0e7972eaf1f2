"""DOC kontrast.commands.evaluate."""

from __future__ import annotations
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from safetensors.torch import save_file
from kontrast.modalities.pairs import report
from kontrast.modalities.texts import report
from kontrast.modalities.images.batches import ImageBatches
from kontrast.data.scored_pairs import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.data.open import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import labelled as rooms
from kontrast.evaluate import formatting
from kontrast.exchange import image_folder as model_folder
from kontrast.exchange import open_clip
from kontrast.exchange.card import About
from kontrast.report import page
from kontrast.report.image_neighbours import gallery
from kontrast.report.contact_sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.modalities.images.model import Model
from kontrast.modalities.registry import load
from kontrast.positives.images import papers
from kontrast.positives.images.view import Keys, Recipe
if TYPE_CHECKING:
    from kontrast.modalities.modality import Parts
    from kontrast.recipes.resolve import Plan
    from kontrast.training.run_folder import Folder
from kontrast.modalities.inference import columns_of
from kontrast.modalities.images.evaluation import evaluate
from kontrast.modalities.pairs.evaluation import evaluated
from kontrast.modalities.texts.evaluation import evaluated


def evaluate(
    model: str | Path,
    data: Any,
    *,
    protocols: list[str] | None = None,
    split: str | None = None,
    labels: str | None = None,
    train_data: Any = None,
    classes: str | None = None,
    templates: str | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON of an evaluation, the lines of its table): an encoder beside random weights and raw input, in fp32.

    protocols  of pictures: knn, linear, kmeans, few_label, views; of two towers: retrieval, zero_shot and the labelled
               ones; of sentences: sts, retrieval. None: all that fit the data
    classes    for zero-shot: the column with the names, or a text file with a name a line
    templates  for zero-shot: "80", "7" or a text file with a sentence a line; None: "7"
    """
    if open_clip.holds(Path(model)):
        return evaluated(
            model,
            data,
            protocols=protocols,
            labels=labels,
            split=split,
            classes=classes,
            templates=templates,
            seed=seed,
        )
    if classes is not None or templates is not None:
        raise Unfit("--classes and --templates are for zero-shot, which needs a model of pictures and words (clip).")
    if report.holds(model):
        return evaluated(model, data, protocols=protocols, split=split, seed=seed)
    learned = load(model)
    channels = learned.spec["channels"]
    source = open_source(data, labels=labels, split=split, channels=channels if channels in (1, 3) else None)
    said = []
    if split is None and "test" in source.splits:
        said.append(f"split    {source.name} names a test split: only that is used; --split names another")
        source, split = source.split("test"), "test"
    bank = _bank(train_data, labels, source, split, channels)
    columns = columns_of(learned, None, seed)
    columns.pop("before")
    result = evaluate(columns, source, bank=bank, recipe=_recipe(model, learned, source), protocols=protocols,
                            seed=seed,
                            about={"network": learned.spec["name"], "layer": "encoder output"})  # fmt: skip
    return result, [*said, *formatting.table(result), formatting.sentence(result)]


def _bank(train_data: Any, labels: str | None, source: Source, split: str | None, channels: int) -> Source | None:
    """What neighbours and probes learn from: --train-data, else the training split beside the test split."""
    if train_data is not None:
        bank = open_source(train_data, labels=labels, channels=channels if channels in (1, 3) else None)
        if bank.labels is None:
            raise Unfit(f"--train-data {train_data} has no labels; name them with --labels folder or --labels COLUMN.")
        return bank
    return source.split("train") if split == "test" and "train" in source.splits else None


def _recipe(path: str | Path, model: Model, source: Source) -> Recipe:
    """How fresh views are drawn: as the run did, else as SimCLR does at this size."""
    import yaml

    config = Path(path) / "config.yaml"
    named = yaml.safe_load(config.read_text()).get("views") if config.is_file() else None
    small = "simclr-cifar" if model.image_size <= 64 else "simclr"
    recipe = papers.recipe(named or small, model.image_size, model.spec["channels"])
    return replace(recipe, white=model.white or source.white)
