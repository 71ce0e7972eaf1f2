"""What differs between kinds of data, gathered once: pictures, pictures with captions, sentences.

A kit has the encoder, makes batches of any source of its kind, knows the trained encoder in use, and writes what a run
leaves. `run.train` needs no other word about what its data are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from kontrast import cutting, finish, finish_pairs, finish_texts, methods
from kontrast.data.batches import ImageBatches
from kontrast.data.guided import Guided
from kontrast.data.judged import similar_ids
from kontrast.data.others import WithOthers
from kontrast.data.pair_batches import PairBatches
from kontrast.data.pictures import Ids
from kontrast.data.source import CALLED, Source
from kontrast.data.text_batches import ROLES, TextBatches
from kontrast.encoders.images import image_encoder
from kontrast.encoders.text import text_encoder
from kontrast.errors import Unfit
from kontrast.evaluate import protocols, sentences
from kontrast.model import Model, load
from kontrast.negatives import across, parsed
from kontrast.pair_model import PairModel, started
from kontrast.positives.images import Mode, Recipe
from kontrast.positives.opposites import RULES
from kontrast.positives.wordnet import WordNet
from kontrast.recipes.defaults import Plan
from kontrast.text_model import TextModel
from kontrast.training.loop import Batches
from kontrast.training.record import Folder

if TYPE_CHECKING:
    from kontrast.planning import Parts

Leave = Callable[[Folder, Any, Any, dict[str, Any], Callable[[str], None]], None]


EXAMPLES, SEARCHED = 6, 2_000  # positives shown, and training sentences searched, in a report on sentences
Score = Callable[[Any, Source, Ids], tuple[str, float]]


class MakeBatches(Protocol):
    """Batches of these samples; with the random negatives that were asked for, if `training`."""

    def __call__(
        self, source: Source, ids: Ids, batch_size: int, seed: int, steps: int, *, training: bool
    ) -> Batches: ...


@dataclass(frozen=True)
class Kit:
    """The encoder, its batches, and what comes of it.

    model    the trained encoder -> the model in use
    learned  the encoder begins with weights that know something: they are a column of the evaluation
    score    (model, source, ids) -> (name, number): how good it is on held-out data; higher is better
    masks    dropout masks make the second view: checks keep them on, or there would be nothing to find
    leave    (folder, model, model with the first weights or None, summary, say): write what a run leaves
    """

    encoder: Any
    batches: MakeBatches
    model: Callable[[Any], Any]
    leave: Leave
    score: Score
    learned: bool
    masks: bool = False


def kit_of(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    """The kit for what the method reads."""
    kind = methods.entry(plan.settings.method or "").kind
    if kind != "images" and plan.settings.norm in ("group", "frozen"):
        raise Unfit(f"--norm {plan.settings.norm} is for picture encoders alone; {plan.settings.method} has no other.")
    return {"images": _images, "pairs": _pairs, "texts": _texts}[kind](plan, parts, weights_from)


def _images(plan: Plan, parts: Parts, weights_from: str | Path | None) -> Kit:
    s, recipe = plan.settings, parts.recipe
    assert recipe and s.encoder and s.channels and s.image_size and s.seed is not None
    encoder = image_encoder(s.encoder, channels=s.channels, image_size=s.image_size, seed=s.seed,
                            pretrained=bool(s.pretrained), zero_init=s.zero_init is not False)  # fmt: skip
    encoder = cutting.normed(encoder, s, old_weights=weights_from is not None or Path(s.encoder).is_dir())
    if weights_from is not None:
        encoder.load_state_dict(load(weights_from).encoder.state_dict())
    size, mean, std, white = s.image_size, recipe.mean, recipe.std, recipe.white
    _takes(encoder, s.encoder, s.channels, {view.size for view in recipe.views} - {size})

    def leave(folder: Folder, model: Any, before: Any, summary: dict[str, Any], say: Callable[[str], None]) -> None:
        finish.leave(folder, plan, parts, model, before=before, summary=summary, say=say)

    def score(model: Any, source: Source, ids: Ids) -> tuple[str, float]:
        labelled = source.labels is not None and len(set(source.labels[ids].tolist()) - {-1}) > 1
        test, name = ("knn", "knn_top1") if labelled else ("views", "recall_at_1")
        result = protocols.evaluate({"learned": model.embed_source}, source, recipe=recipe, protocols=[test])
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
        finish_pairs.leave(folder.path, model=model, columns=columns, check=parts.check, ids=parts.check_ids,
                           summary=summary, say=say)  # fmt: skip
        finish_pairs.report(folder, model, columns, plan, parts, summary=summary, say=say)
        folder.write_json("summary.json", summary)

    def score(model: Any, source: Source, ids: Ids) -> tuple[str, float]:
        return "recall_at_1", float(finish_pairs.evaluate({"learned": model}, source, ids)["learned"]["recall_at_1"])

    return Kit(pairs.towers, batches, lambda towers: PairModel(replace(pairs, towers=towers)), leave, score,
               learned=weights_from is not None or bool(s.pretrained) or Path(s.encoder).is_dir())  # fmt: skip


def _pictures(plan: Plan, recipe: Recipe, device: torch.device) -> Callable[..., Any]:
    """Batches of views of pictures by this recipe; with random negatives beside them if `training`."""
    s, more = plan.settings, parsed(plan.settings.negatives or "").random
    rank, processes = across.rank(), across.processes()

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


def _guided(plan: Plan, batches: Batches, source: Source, ids: Ids, batch_size: int, seed: int) -> Batches:
    """With a guide model's vectors beside them, if there is one."""
    folder = parsed(plan.settings.negatives or "").guide
    if not folder:
        return batches
    try:
        guided: Batches = Guided(batches, load(folder), source, ids, batch_size, seed, rank=across.rank(),
                                 processes=across.processes())  # fmt: skip
    except (ValueError, AssertionError) as problem:
        raise Unfit(f"--negatives guide:{folder} cannot judge {source.name} ({source.kind}): {problem}") from problem
    return guided


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
            rules=rules, random=said.random if training else 0, rank=across.rank(), processes=across.processes(),
        )  # fmt: skip
        return _guided(plan, made, source, ids, batch_size, seed) if training else made

    def leave(folder: Folder, model: Any, before: Any, summary: dict[str, Any], say: Callable[[str], None]) -> None:
        shown = {name: getattr(s, name) for name in finish.SHOWN if getattr(s, name) is not None}
        data = f"{source.name} ({len(parts.train_ids):,} {CALLED[source.kind]})"
        about = {"method": s.method, "data": data, "settings": shown}
        finish_texts.leave(folder.path, model, before, parts.check, about, summary=summary, seed=s.seed or 0, say=say)
        few = similar_ids(source, parts.train_ids)[:EXAMPLES]
        sample = TextBatches(source, few, encoder.tokenizer, 1, s.seed or 0, 1, views=views, wordnet=wordnet)
        finish_texts.report(
            folder, finish_texts.columns_of(model, before, s.seed or 0), parts.check, words[:SEARCHED],
            sample.texts(few, 0), views="judged" if source.kind == "judged" else views, data=source.name,
            summary=summary, seed=s.seed or 0, say=say,
        )  # fmt: skip
        folder.write_json("summary.json", summary)

    def score(model: Any, check: Source, ids: Ids) -> tuple[str, float]:
        return sentences.score(model.embed_text, check, s.seed or 0)

    return Kit(encoder, batches, TextModel, leave, score, learned=began not in ("small", "static"), masks=True)


def _rules(plan: Plan) -> tuple[str, ...]:
    """The rules for hard negatives that were asked for."""
    said = parsed(plan.settings.negatives or "").rules
    return RULES if said == "all" else tuple(said.split(",")) if said else ()


def _model_folder(path: Path) -> Path:
    return path / "model" if (path / "model").is_dir() else path
