"""The common flags, said once. The command line, `config.yaml` and `kontrast.train(...)` all read this dataclass.

`None` means "chosen by rule": the recipe of the method, scaled to the data, with the reason printed before the start.
This file imports no torch, so that help and typing errors are instant.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

from kontrast.errors import Unfit


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user may say about a training run.

    Attributes:
        method: simclr, moco, moco-v2, swav, byol, barlow-twins, clip or simcse (`kontrast methods` lists them), or your
            own: FILE.py, FILE.py:CLASS or package.module:CLASS.
        out: Folder of the run. It must not exist yet.
        epochs: Passes over the data.
        max_minutes: Stop cleanly after this many minutes of training.
        batch_size: Samples in one comparison, in total over all processes and chunks.
        chunk: Rows that go through the encoder at once, or `auto`; the gradient stays that of the whole batch.
        norm: `group` and `frozen` replace the encoder's BatchNorm, `batch` keeps it; with chunks also `per-chunk`.
        encoder: `small`, any timm or torchvision name, or a folder with weights; for sentences also `static`.
        pooler: Of a sentence's tokens: cls, cls-before-pooler, mean, first-last, top2, max, last, weighted-mean or
            mean-sqrt-len; the folder's own if not given.
        pretrained: Start from published weights (asks the hub; says so when offline).
        tune: Which trained weights move: full, last:N layers, head (a linear layer after them) or lora:R (its rank).
        layer_decay: Factor on the rate from each layer of the encoder to the one before it, towards the input.
        image_size: Side of the pictures that the encoder sees, in pixels.
        channels: 1 for grey, 3 for colour; read from the data if not given.
        white: Value of 16-bit pictures that stands for white; if not given 4095 where none goes beyond, else 65535.
        views: Recipe of the views: a paper's name, `affine`, `plain` or `none`.
        view_mode: `fast` is the fused form; `exact` follows torchvision step by step.
        crops: Number and size of the crops, such as 2x224+6x96; at least two of the largest.
        widths: Numbers of first columns that are to stand alone, such as 64,128,256 (Matryoshka).
        temperature: Divisor of the similarities. Small is strict about hard negatives.
        similarity: cosine, dot, euclidean or squared_euclidean.
        decoupled: Leave the positive out of the loss's denominator (the tutorial's loss).
        negatives: What stands beside the batch's own negatives, such as queue:4096+mixed:64+random:256+reweighted:1.
        optimizer: sgd, adamw, lars or muon, with options as in lars:apex,clip,trust=0.02 or adamw:beta2=0.98.
        lr: Peak learning rate, for this batch size as it is.
        weight_decay: Weight decay; biases and norms are left out where the paper does.
        warmup: Epochs of linear warm-up.
        schedule: cosine, linear, constant or step; options as in cosine:end=0.001 or cosine:epoch.
        zero_init: The last BatchNorm scale of each residual block begins at 0; else at 1.
        same: `folder` or a column: pictures of one group are positives of each other, never negatives.
        labels: `folder` or a column: names for evaluation only, never seen in training.
        split: Value of a `split` column to train on.
        columns: Which columns hold what, as image=NAME text=NAME.
        similar_from: Of rows a, b, score: the score from which on the two are similar; not needed for 0 and 1.
        validate: Data for the checks while and after training; `part` holds out a tenth, `none` nothing.
        evaluate_every: Steps between evaluations on the held-out data; the best weights seen are kept.
        seed: Everything random follows from it.
        device: cpu, cuda or cuda:0. The best one there if not given.
        precision: fp32, bf16 or fp16.
        threads: Processor threads for arithmetic; their number is part of the last bits.
        workers: Processes that read pictures and draw views; on a GPU, threads that decode.
        checkpoint_every: Minutes between checkpoints inside an epoch.
        set: Any field of the method's own configuration, as NAME=VALUE.
        log: Trackers that show the run too, of tensorboard, wandb and mlflow, as tensorboard,wandb; nothing is sent
            anywhere unless WANDB_MODE or MLFLOW_TRACKING_URI asks for it.
        strict: Stop at the first broken file instead of skipping it.
        follow_links: Follow symbolic links that leave the folder of the data, and those to folders.
        survey: Look at every picture of a folder before the first step, not when it is needed: broken ones and repeats
            are then known at once.
        exclude: A text file with a name a line: samples that are left out, as kontrast check names them.
    """

    method: str | None = None
    out: str | None = None
    epochs: int | None = None
    max_minutes: float | None = None
    batch_size: int | None = None
    chunk: str | None = None
    norm: str | None = None
    encoder: str | None = None
    pooler: str | None = None
    pretrained: bool | None = None
    tune: str | None = None
    layer_decay: float | None = None
    image_size: int | None = None
    channels: int | None = None
    white: int | None = None
    views: str | None = None
    view_mode: Literal["exact", "fast"] | None = None
    crops: str | None = None
    widths: str | None = None
    temperature: float | None = None
    similarity: str | None = None
    decoupled: bool | None = None
    negatives: str | None = None
    optimizer: str | None = None
    lr: float | None = None
    weight_decay: float | None = None
    warmup: float | None = None
    schedule: str | None = None
    zero_init: bool | None = None
    same: str | None = None
    labels: str | None = None
    split: str | None = None
    columns: list[str] | None = None
    similar_from: float | None = None
    validate: str | None = None
    evaluate_every: int | None = None
    seed: int | None = None
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    workers: int | None = None
    checkpoint_every: float | None = None
    set: list[str] | None = None
    log: str | None = None
    strict: bool | None = None
    follow_links: bool | None = None
    survey: bool | None = None
    exclude: str | None = None

    def over(self, below: Settings) -> Settings:
        """These settings, with the gaps filled from `below`. In `set` every NAME counts for itself."""
        filled = {f.name: getattr(below, f.name) for f in fields(self) if getattr(self, f.name) is None}
        return replace(self, **{**filled, "set": [*(below.set or []), *(self.set or [])] or None})

    def requested(self) -> dict[str, Any]:
        """Only what was asked for, as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    said = requested  # as it was called


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """`Settings` with every question answered. None is left only where it is an answer: no chunks, no crops, no end.

    The fields are those of `Settings`. Of sentences `image_size` and `channels` are 0; `temperature`, `similarity`,
    `decoupled` and `negatives` are None where the method has no such number.
    """

    method: str
    out: str | None = None
    epochs: int
    max_minutes: float | None = None
    batch_size: int
    chunk: str | None = None
    norm: str | None = None
    encoder: str
    pooler: str | None = None
    pretrained: bool
    tune: str | None = None
    layer_decay: float | None = None
    image_size: int = 0
    channels: int = 0
    white: int | None = None
    views: str
    view_mode: Literal["exact", "fast"]
    crops: str | None = None
    widths: str | None = None
    temperature: float | None = None
    similarity: str | None = None
    decoupled: bool | None = None
    negatives: str | None = None
    optimizer: str
    lr: float
    weight_decay: float
    warmup: float
    schedule: str
    zero_init: bool | None = None
    same: str | None = None
    labels: str | None = None
    split: str | None = None
    columns: list[str] | None = None
    similar_from: float | None = None
    validate: str
    evaluate_every: int | None = None
    seed: int
    device: str | None = None
    precision: str
    threads: int | None = None
    workers: int
    checkpoint_every: float
    set: list[str] | None = None
    log: str | None = None
    strict: bool
    follow_links: bool
    survey: bool
    exclude: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Resolved:
        """The settings of a complete run. TypeError, which names it, where a question is still open: our own bug."""
        return cls(**settings.requested())

    def requested(self) -> dict[str, Any]:
        """The answers, as plain values, without those that say "none"."""
        none = {"image_size": 0, "channels": 0}
        return {k: v for k, v in asdict(self).items() if v is not None and not (k in none and v == none[k])}


NAMES = tuple(f.name for f in fields(Settings))
_TYPES = {f.name: str(f.type) for f in fields(Settings)}
_AT_LEAST = {"epochs": 1, "batch_size": 2, "image_size": 1, "channels": 1, "white": 1, "threads": 1} | {
    "evaluate_every": 1,
    **dict.fromkeys(("weight_decay", "warmup", "seed", "workers", "checkpoint_every"), 0),
}
_ABOVE_ZERO = ("temperature", "lr", "max_minutes", "layer_decay")
_CHOICES = {
    "pooler": (
        "cls",
        "cls-before-pooler",
        "mean",
        "first-last",
        "top2",
        "max",
        "last",
        "weighted-mean",
        "mean-sqrt-len",
    ),
    "similarity": ("cosine", "dot", "euclidean", "squared_euclidean"),
    "precision": ("fp32", "bf16", "fp16"),
    "norm": ("batch", "group", "frozen", "per-chunk"),
    "view_mode": ("exact", "fast"),
}


def nearest(word: str, known: Iterable[str]) -> str:
    """', did you mean NAME?' for a word that is close to a known one, else the list of known ones."""
    known = list(known)
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}."


def checked(settings: Settings) -> Settings:
    """The same settings, or `Unfit` naming the first value that cannot be meant."""
    for name in (*_AT_LEAST, *_ABOVE_ZERO):
        value, least = getattr(settings, name), _AT_LEAST.get(name)
        if value is not None and not (value > 0 if least is None else value >= least):
            bound = "greater than 0" if least is None else f"at least {least}"
            raise Unfit(f"--{name.replace('_', '-')} must be {bound}, got {value}.")
    for name, value in settings.requested().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise Unfit(f"--{name.replace('_', '-')} must be a finite number, got {value}.")
    for name, choices in _CHOICES.items():
        value = getattr(settings, name)
        if value is not None and value not in choices:
            raise Unfit(f"--{name.replace('_', '-')} {value!r} is unknown{nearest(value, choices)}")
    if settings.layer_decay is not None and settings.layer_decay > 1:
        raise Unfit(f"--layer-decay must be at most 1, got {settings.layer_decay}.")
    if settings.chunk not in (None, "auto") and not _whole(settings.chunk):
        raise Unfit(f"--chunk must be a number of rows or auto, got {settings.chunk!r}.")
    widths_of(settings.widths)
    for name, known in WORDED.items():
        if (value := getattr(settings, name)) is not None:
            worded(value, known, f"--{name}")
    return settings


def widths_of(text: str | None) -> tuple[int, ...]:
    """The numbers of `--widths 64,128,256`, ascending; none for None. Unfit for anything else."""
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    if not all(_whole(word) and int(word) for word in words):
        raise Unfit(f"--widths needs whole numbers from 1 on with commas between, such as 64,128,256; got {text!r}.")
    return tuple(sorted({int(word) for word in words}))


WORDED: dict[str, dict[str, tuple[str, ...]]] = {  # name -> options; one that ends in "=" takes a number
    "optimizer": {
        "sgd": ("momentum=", "nesterov"),
        "adamw": ("beta1=", "beta2=", "eps="),
        "lars": ("simclr", "byol", "apex", "momentum=", "trust=", "clip"),
        "muon": ("momentum=", "beta1=", "beta2=", "eps="),
    },
    "schedule": {
        "cosine": ("start=", "end=", "epoch"),
        "linear": ("start=", "end=", "epoch"),
        "constant": ("start=",),
        "step": (),
        "falls": (),  # as `step` was called
    },
}


def worded(text: str, known: Mapping[str, tuple[str, ...]], where: str) -> tuple[str, dict[str, float]]:
    """NAME:option,option=NUMBER as (NAME, options), 1 for an option without a number; else `Unfit` with the nearest."""
    name, _, rest = text.partition(":")
    if name not in known:
        raise Unfit(f"{where} {name!r} is unknown{nearest(name, known)}")
    options: dict[str, float] = {}
    for word in filter(None, rest.split(",")):
        option, equals, value = word.partition("=")
        if option + equals not in known[name]:
            taken = ", ".join(known[name]) or "none"
            raise Unfit(f"{where} {text!r}: {name} has no option {option + equals!r}; it takes {taken}.")
        try:
            options[option] = float(value) if equals else 1.0
            if not math.isfinite(options[option]):
                raise ValueError
        except ValueError:
            raise Unfit(f"{where} {text!r}: {option} needs a number, got {value!r}.") from None
    return name, options


def from_mapping(values: Mapping[str, Any], where: str) -> Settings:
    """Settings from a file or keyword arguments; an unknown key is an error that names the nearest one."""
    known = {}
    for name, value in values.items():
        if name not in NAMES:
            raise Unfit(f"{where}: {name!r} is not a setting{nearest(name, NAMES)}")
        known[name] = _typed(name, value, where)
    return Settings(**known)


def _typed(name: str, value: Any, where: str) -> Any:
    """The value as the field's type; text from the environment is read as a number where a number is meant."""
    wanted = _TYPES[name]
    if value is None:
        return None
    try:
        if wanted.startswith("int"):
            if isinstance(value, bool) or (isinstance(value, float) and value != int(value)):
                raise ValueError
            return int(value)
        if wanted.startswith("float"):
            return float(value)
        if wanted.startswith("bool"):
            if isinstance(value, str):
                return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[value.lower()]
            return bool(value)
        if wanted.startswith("list"):
            if isinstance(value, Mapping):
                return [f"{key}={part}" for key, part in value.items()]
            return value.split() if isinstance(value, str) else list(value)
    except (ValueError, TypeError, KeyError):
        raise Unfit(f"{where}: {name} must be {wanted.split(' ')[0]}, got {value!r}.") from None
    return str(value)


def pairs(words: Iterable[str] | None, where: str) -> dict[str, Any]:
    """NAME=VALUE words as a mapping, the last one winning; numbers and booleans are read as such."""
    import yaml

    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Unfit(f"{where}: expected NAME=VALUE, got {word!r}.")
        try:
            read = _plain(yaml.safe_load(value)) if value else ""
        except yaml.YAMLError:
            read = value  # a word with marks of YAML in it
        if isinstance(read, float) and not math.isfinite(read):
            raise Unfit(f"{where} {word}: a finite number was expected.")
        found[name.strip().replace("-", "_")] = read
    return found


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _plain(value: Any) -> Any:
    """YAML takes 1e-05 for a word; here it is a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def from_environment() -> Settings:
    """Settings from KONTRAST_* variables; others of that prefix (KONTRAST_CACHE) are left alone."""
    found = {name: os.environ[f"KONTRAST_{name.upper()}"] for name in NAMES if f"KONTRAST_{name.upper()}" in os.environ}
    return from_mapping(found, "environment")
