"""What a run leaves when it is trained: the model, its evaluation beside what knows nothing, the report, the words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from kontrast import finish_pairs, finish_texts
from kontrast.data.batches import ImageBatches
from kontrast.data.judged import each_once, similar_ids
from kontrast.data.source import CALLED
from kontrast.data.sources import Source, open_source
from kontrast.errors import Unfit
from kontrast.evaluate import protocols as rooms
from kontrast.evaluate import words
from kontrast.exchange import folder as model_folder
from kontrast.exchange import open_clip
from kontrast.exchange.card import About
from kontrast.explore import page
from kontrast.explore.gallery import gallery
from kontrast.explore.sheet import views_sheet
from kontrast.methods.method import Batch
from kontrast.model import Model, load
from kontrast.positives import papers
from kontrast.positives.images import Keys, Recipe

if TYPE_CHECKING:
    from kontrast.planning import Parts
    from kontrast.recipes.defaults import Plan
    from kontrast.training.record import Folder

SHEET_ROWS = 8  # positive pairs on the report's sheet
SHOWN = ("encoder", "image_size", "views", "epochs", "batch_size", "temperature", "lr", "seed", "precision")


def save_batch(folder: Path, batch: Batch) -> None:
    """Keep the batch that broke the run, so that it can be looked at."""
    tensors = {"ids": batch.ids_B}
    for number, view in enumerate(batch.views):
        parts = view.items() if isinstance(view, dict) else [("pixels", view)]
        tensors |= {f"view{number}.{name}": tensor.contiguous() for name, tensor in parts}
    save_file({name: tensor.cpu() for name, tensor in tensors.items()}, folder / "bad-batch.safetensors")


def leave(
    folder: Folder,
    plan: Plan,
    parts: Parts,
    model: Model,
    *,
    before: Model | None,
    summary: dict[str, Any],
    say: Callable[[str], None],
) -> None:
    """Write model/, evaluate, write report.html and summary.json, and say what was learned.

    before: the weights the run began with, where they were not the random ones.
    """
    seed = plan.settings.seed or 0
    columns = columns_of(model, before, seed)
    result: dict[str, Any] = {}
    questions = []
    if parts.check is not None:
        bank = parts.source.part(parts.train_ids)
        result = rooms.evaluate(columns, parts.check, bank=bank, recipe=parts.recipe, seed=seed,
                                about={"network": model.spec["name"], "layer": "encoder output"})  # fmt: skip
        questions = gallery(columns, each_once(parts.check), each_once(bank), seed=seed)
        for line in words.table(result):
            say(line)
    summary |= {"learned": words.sentence(result) if result else "", "evaluation": result}
    settings = {name: getattr(plan.settings, name) for name in SHOWN}
    trained_on = f"{parts.source.name} ({len(parts.train_ids):,} {CALLED[parts.source.kind]})"
    about = About(
        plan.settings.method or "", trained_on, model.mean, model.std, summary["verdict"], settings,
        {k: v for k, v in result.items() if k != "about"}, parts.check.name if parts.check is not None else "",
        white=model.white,
    )  # fmt: skip
    certificate = model_folder.write(folder.path / "model", model.encoder, about)
    say(f"model    {folder.path / 'model'}: read by {certificate.loaders}; difference {certificate.difference:.2g}")
    ids = similar_ids(parts.source, parts.train_ids)[:SHEET_ROWS]
    assert parts.recipe is not None
    shown = ImageBatches(parts.source, parts.train_ids, parts.recipe, 1, seed, 1,
                         mode=plan.settings.view_mode or "fast")  # fmt: skip
    keys = None if parts.source.kind == "judged" else Keys(seed, 0, ids)
    pairs = views_sheet(parts.source.images(ids), shown.drawn(ids, 0), parts.recipe, keys)
    data = parts.source.name
    page.write(
        folder.path / "report.html", folder.rows(), summary, folder.config(), pairs=pairs, neighbours=questions,
        say=say,
        commands=[
            f"kontrast search {folder.path} {data} --query 0 --sheet found.png",
            f"kontrast embed {folder.path} {data} -o vectors.npy",
            f"kontrast evaluate {folder.path} {data}",
        ],
    )  # fmt: skip
    folder.write_json("summary.json", summary)


def columns_of(model: Model, before: Model | None, seed: int) -> dict[str, rooms.Embedder]:
    """The learned encoder beside what knows less. A run that began at random began with the random weights."""
    random = model.random(seed).embed_source
    began = random if before is None else before.embed_source
    return {"learned": model.embed_source, "before": began, "random_weights": random, "raw_input": rooms.raw_pixels}


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
        return finish_pairs.evaluated(
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
    if finish_texts.holds(model):
        return finish_texts.evaluated(model, data, protocols=protocols, split=split, seed=seed)
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
    result = rooms.evaluate(columns, source, bank=bank, recipe=_recipe(model, learned, source), protocols=protocols,
                            seed=seed,
                            about={"network": learned.spec["name"], "layer": "encoder output"})  # fmt: skip
    return result, [*said, *words.table(result), words.sentence(result)]


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
