"""What a run on pictures and captions leaves: the folder, its evaluation beside what knows less, and the words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kontrast.data.pictures import Ids
from kontrast.data.source import Source
from kontrast.data.sources import open_source
from kontrast.errors import Failed, Unfit
from kontrast.evaluate import geometry, zero_shot
from kontrast.evaluate.pairs import pair_retrieval
from kontrast.pair_model import PairModel, load_pairs

ITEMS = 1000  # pictures at most among which captions are looked for; more make it harder, so the number is said
FELL = 0.02  # a fall of zero-shot or recall by this share is said: more than two pictures in a hundred
NAMES = {
    "zero_shot_top1": "zero-shot top-1", "recall_at_1": "recall at 1", "recall_at_5": "recall at 5",
    "recall_at_10": "recall at 10", "median_rank": "median rank",
}  # fmt: skip


def evaluate(
    columns: Mapping[str, PairModel],
    source: Source,
    ids: Ids,
    *,
    classes: Sequence[str] | None = None,
    sentences: Sequence[str] = zero_shot.templates("7"),
) -> dict[str, Any]:
    """`{column: {metric: value}, "about": {...}}`: retrieval both ways, zero-shot where there are labels, alignment.

    columns    name -> model: "learned", "before", "random_weights"
    ids        the pictures to test on; of more than 1,000 the first
    classes    their names, in the order of the labels; None: the source's own
    sentences  the templates that make a class's direction
    """
    ids = ids[:ITEMS]
    several = source.captions(ids)
    captions = [caption for group in several for caption in group]
    owner_M = np.repeat(np.arange(len(ids)), [len(group) for group in several])
    labels_N = None if source.labels is None else source.labels[ids]
    names = list(classes or source.classes)
    result: dict[str, Any] = {}
    for column, model in columns.items():
        image_ND, text_MD = model.embed_source(source, ids), model.embed_text(captions)
        found = pair_retrieval(image_ND, text_MD, owner_M)
        found["alignment"] = geometry.alignment(image_ND[torch.from_numpy(owner_M)], text_MD)
        found["uniformity"] = geometry.uniformity(image_ND)
        found["effective_rank"] = geometry.effective_rank(image_ND)
        if labels_N is not None and (labels_N >= 0).any():
            found |= zero_shot.zero_shot(image_ND, labels_N, names, sentences, model.embed_text)
        result[column] = found
    chance = {f"recall_at_{k}": min(1.0, k / len(ids)) for k in (1, 5, 10)} | {"median_rank": (len(ids) + 1) / 2}
    if names:
        chance["zero_shot_top1"] = 1 / len(names)
    about = {"data": source.name, "items": len(ids), "captions": len(captions), "chance": chance}
    return result | {"about": about}


def table(result: Mapping[str, Any]) -> list[str]:
    """The evaluation as lines; fractions times 100, the median rank from 1."""
    about, columns = result["about"], [name for name in result if name != "about"]
    lines = [f"{'%':<20}" + "".join(f"{name.replace('_', ' '):>16}" for name in [*columns, "guessing"])]
    for metric, name in NAMES.items():
        if metric in result["learned"]:
            values = [result[column][metric] for column in columns] + [about["chance"][metric]]
            scale = 1 if metric == "median_rank" else 100
            lines.append(f"{name:<20}" + "".join(f"{scale * value:>16.1f}" for value in values))
    return [*lines, f"  {about['captions']:,} captions and {about['items']:,} pictures of {about['data']}, both ways"]


def sentence(result: Mapping[str, Any]) -> str:
    """What was learned, and what was lost of what the weights knew before."""
    learned, about = result["learned"], result["about"]
    said = (
        f"A caption and its picture find each other first in {learned['recall_at_1']:.1%} of {about['items']:,} "
        f"(random weights {result['random_weights']['recall_at_1']:.1%}, "
        f"guessing {about['chance']['recall_at_1']:.1%})."
    )
    fallen = [
        f"{name} fell from {result['before'][metric]:.1%} to {learned[metric]:.1%}"
        for metric, name in NAMES.items()
        if "before" in result and metric in learned and metric != "median_rank"
        and learned[metric] < result["before"][metric] - FELL
    ]  # fmt: skip
    if fallen:
        said += (
            f" WARNING: it lost some of what it knew: {', '.join(fallen)}. Take a smaller --lr, fewer epochs, or mix "
            "with the weights it began with: kontrast.exchange.open_clip.interpolated(start, end, 0.5)."
        )
    return said


def leave(
    folder: Path, *, model: PairModel, columns: Mapping[str, PairModel], check: Source | None, ids: Ids,
    summary: dict[str, Any], say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write model/, evaluate, and say what was learned. `summary` receives `evaluation` and `learned`."""
    model.save(folder / "model")
    certify(folder / "model", model)
    say(f"model    {folder / 'model'}")
    summary |= {"evaluation": {}, "learned": ""}
    if check is not None:
        result = evaluate(columns, check, ids)
        for line in table(result):
            say(line)
        summary |= {"evaluation": result, "learned": sentence(result)}
        say(summary["learned"])


def certify(folder: Path, model: PairModel) -> float:
    """Read the folder again and compare the vectors of noise and of two sentences; the largest difference."""
    again = load_pairs(folder)
    noise = torch.randint(
        0, 256, (4, 3, model.image_size, model.image_size), generator=torch.Generator().manual_seed(0)
    )
    pictures, words = noise.to(torch.uint8), ["one picture", "another one"]
    pairs = (
        (torch.as_tensor(model.embed(pictures)), torch.as_tensor(again.embed(pictures))),
        (model.embed_text(words), again.embed_text(words)),
    )
    difference = max(float((live - read).abs().max()) for live, read in pairs)
    if not difference <= 1e-4 * max(1.0, *(float(live.abs().max()) for live, _ in pairs)):
        raise Failed(f"{folder} was written but gives other vectors when it is read again ({difference:.2g}).")
    return difference


def evaluated(
    path: str | Path,
    data: Any,
    *,
    labels: str | None = None,
    split: str | None = None,
    classes: str | None = None,
    templates: str | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a run or a folder with two towers, on pictures and captions.

    classes    a text file with a name a line; None: the names of the labels
    templates  "80", "7" or a text file with a sentence a line, "{}" for the class; None: "7"
    """
    learned = load_pairs(path)
    source = open_source(data, labels=labels, split=split, channels=3)
    if source.kind != "pairs":
        raise Unfit(f"{source.name} holds {source.kind}; two towers are tested on pictures with captions.")
    if split is None and "test" in source.splits:
        source = source.split("test")
    columns = {"learned": learned, "random_weights": learned.random(seed)}
    names = None if classes is None else zero_shot.class_names(Path(classes))
    sentences = zero_shot.templates(templates or "7")
    result = evaluate(columns, source, source.ids, classes=names, sentences=sentences)
    return result, [*table(result), sentence(result)]
