"""From what was said, the published recipe and the data to a complete run, each choice with its reason.

Order: what the user said; else the rules of `rules.py`, which scale the recipe to picture size, set size and machine;
else the recipe as published. Everything that is not the user's word is printed before the start and by `--dry-run`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.negatives import check_fits, check_size, parsed
from kontrast.recipes import barlow_twins, byol, clip, moco, simclr, simcse, swav
from kontrast.recipes.rules import FIXED, SMALL_PICTURE, Facts, by_method, by_size, by_text
from kontrast.settings import NAMES, Resolved, Settings, checked, from_mapping, pairs

PUBLISHED: dict[str, dict[str, Callable[[], Settings]]] = {
    "simclr": {"imagenet": simclr.imagenet, "cifar10": simclr.cifar10},
    "moco": {"imagenet": moco.imagenet, "cifar10": moco.cifar10},
    "moco-v2": {"imagenet": moco.imagenet_v2, "cifar10": moco.cifar10_v2},
    "swav": {"imagenet": swav.imagenet, "cifar10": swav.cifar10},
    "byol": {"imagenet": byol.imagenet, "cifar10": byol.cifar10},
    "barlow-twins": {"imagenet": barlow_twins.imagenet, "cifar10": barlow_twins.cifar10},
    "clip": {"imagenet": clip.imagenet, "cifar10": clip.cifar10},
    "simcse": {"unsupervised": simcse.unsupervised, "supervised": simcse.supervised},
}
IN_METHOD = (
    "temperature",
    "similarity",
    "decoupled",
    "negatives",
)  # common flags that are fields of the method's Config


@dataclass(frozen=True)
class Choice:
    """One decided number: what the recipe says, what was taken, why."""

    name: str
    value: Any
    published: Any
    reason: str


@dataclass(frozen=True)
class Plan:
    """A complete run: every setting has a value, the method's Config too."""

    settings: Resolved
    config: Any
    choices: list[Choice]
    recipe: str


def planned(requested: Settings, facts: Facts) -> Plan:
    """The complete run for these words and this data."""
    requested = checked(requested)
    name = requested.method or "simclr"
    methods.entry(name)
    texts = methods.entry(name).kind == "texts"
    recipe = "cifar10" if facts.side <= SMALL_PICTURE else "imagenet"
    if texts:
        recipe = "supervised" if facts.partners else "unsupervised"
    published = PUBLISHED[name][recipe]()
    numbers = methods.numbers(name)
    fields = [field for field, _, _ in numbers]
    chosen: dict[str, Any] = {}
    own = pairs(requested.set, "--set")
    methods.configured(name, own)  # refuses what no rule below could read
    as_published = vars(methods.configured(name, {})) | pairs(published.set, "recipe")
    choices = []
    rules = {**FIXED, **(by_text(facts, requested, published) if texts else by_size(facts, requested, published))}
    batch = rules["batch_size"][0]
    steps = max(1, facts.n // batch) * rules["epochs"][0]
    for field, (value, reason) in {**rules, **by_method(name, facts.n, batch, steps, own, as_published)}.items():
        if field not in NAMES:
            if field not in own:
                own[field] = value
                choices.append(Choice(field, value, as_published[field], reason))
            continue
        if field in IN_METHOD and field not in fields:
            if getattr(requested, field) is not None:
                raise Unfit(f"--{field} means nothing to {name}: {methods.entry(name).line}.")
            continue
        word, value = (_as_published(each, field, published) for each in (getattr(requested, field), value))
        chosen[field] = value if word is None else word
        if word is None:
            choices.append(Choice(field, value, getattr(published, field), reason))
    settings = replace(requested, method=name, **chosen)
    if settings.warmup and settings.epochs and settings.warmup > settings.epochs:
        raise Unfit(f"--warmup {settings.warmup:g} epochs is longer than the whole run of {settings.epochs}.")
    within = {field: chosen[field] for field in IN_METHOD if field in fields}
    config = methods.configured(name, {**pairs(published.set, "recipe"), **within, **own})
    if batch < 2 * (groups := vars(config).get("bn_groups", 1)):
        raise Unfit(f"--set bn_groups={groups} needs two rows a group; the batch has {batch}.")
    against = parsed(vars(config).get("negatives", ""))
    check_fits(against, name, methods.entry(name).kind)
    check_size(against.queue or vars(config).get("queue", 0), facts.n)
    return Plan(Resolved.of(settings), config, choices, f"{name}, {recipe}")


def _as_published(word: Any, field: str, published: Settings) -> Any:
    """`--optimizer lars` alone means the form of LARS that this paper used; any option makes it the user's own.

    A rule's word means the same as the user's, so that `config.yaml` read again gives the run that wrote it.
    """
    options = published.optimizer or ""
    return options if field == "optimizer" and word is not None and word == options.split(":")[0] else word


@dataclass(frozen=True)
class Written:
    """What a `config.yaml` says: the data, the folder whose weights the run began with, and the settings."""

    data: Any
    weights_from: str | None
    settings: Settings


def from_file(path: Path, flag: str) -> Written:
    """A `config.yaml`, ours or by hand; Unfit, which names the flag, where it is none."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise Unfit(f"{flag} {path} cannot be read: {problem.strerror or problem}.") from None
    except (ValueError, RecursionError, yaml.YAMLError) as problem:
        raise Unfit(f"{flag} {path} is not YAML: {' '.join(str(problem).split())[:200]}.") from None
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise Unfit(f"{flag} {path}: expected NAME: VALUE lines.")
    values = dict(content)
    data, weights_from, method = (values.pop(name, None) for name in ("data", "from", "method"))
    if isinstance(method, Mapping):
        own = dict(method)
        values["method"] = own.pop("name", None)
        flags = {name: own.pop(name) for name in list(own) if name in NAMES}
        values |= {"set": own, **{name: value for name, value in flags.items() if name not in values}}
    elif method is not None:
        values["method"] = method
    return Written(data, None if weights_from is None else str(weights_from), from_mapping(values, str(path)))


def complete(plan: Plan, data: str) -> dict[str, Any]:
    """What `config.yaml` holds: enough to repeat the run bit by bit."""
    settings = {k: v for k, v in plan.settings.requested().items() if k not in ("method", "set", "out")}
    return {"data": data, "method": {"name": plan.settings.method, **asdict(plan.config)}, **settings}
