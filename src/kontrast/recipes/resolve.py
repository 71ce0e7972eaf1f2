"""From what was said, the published recipe and the data to a complete run, each choice with its reason.

Order: what the user said; else the rules of `rules.py`, which scale the recipe to picture size, set size and machine;
else the recipe as published. Everything that is not the user's word is printed before the start and by `--dry-run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from kontrast import methods
from kontrast.errors import Unfit
from kontrast.methods import Entry
from kontrast.methods.outside import IN_CONFIG
from kontrast.negatives import check_fits, check_size, parsed
from kontrast.recipes import published
from kontrast.recipes.kinds import KINDS
from kontrast.recipes.rules import FIXED, Facts, Scale
from kontrast.settings import NAMES, Resolved, Settings, checked, from_mapping, pairs

PUBLISHED = {name: published.of(name, known).recipes for name, known in methods.METHODS.items()}


@dataclass(frozen=True)
class Choice:
    """One decided number: what the recipe says, what was taken, why."""

    name: str
    value: Any
    published: Any
    reason: str


@dataclass(frozen=True)
class Plan:
    """A complete run: every setting has a value, the method's Config too. `entry` is the method as it was read."""

    settings: Resolved
    config: Any
    choices: list[Choice]
    recipe: str
    entry: Entry

    @property
    def name(self) -> str:
        """The method's name for folders, pages and tables: `vicreg` of `./vicreg.py`."""
        return self.entry.outside.name if self.entry.outside else self.settings.method


def planned(requested: Settings, facts: Facts) -> Plan:
    """The complete run for these words and this data."""
    requested = checked(requested)
    name = requested.method or "simclr"
    entry = methods.entry(name)
    kind = KINDS[entry.kind]
    known = published.of(name, entry)
    which, paper = known.recipe(kind.recipe(facts))
    fields = [field for field, _, _ in methods.numbers(name)]
    chosen: dict[str, Any] = {}
    own = pairs(requested.set, "--set")
    methods.configured(name, own)  # refuses what no rule below could read
    as_published = vars(methods.configured(name, {})) | pairs(paper.set, "recipe")
    choices = []
    rules = {**FIXED, **kind.rules(facts, requested, paper)}
    gentle = kind.trained(facts, requested, rules) if kind.trained and facts.weights else {}
    rules |= gentle
    if entry.outside:
        rules |= _as_its_file_says(paper, as_published)
    batch = rules["batch_size"][0]
    steps = max(1, facts.n // batch) * rules["epochs"][0]
    of_method = known.rules(Scale(facts.n, batch, steps, own, as_published))
    for field, (value, reason) in {**rules, **of_method, **gentle}.items():
        if field not in NAMES:
            if field not in own:
                own[field] = value
                choices.append(Choice(field, value, as_published[field], reason))
            continue
        if field in IN_CONFIG and field not in fields:
            if getattr(requested, field) is not None:
                raise Unfit(f"--{field} means nothing to {name}: {entry.line}.")
            continue
        word, value = (_as_published(each, field, paper) for each in (getattr(requested, field), value))
        chosen[field] = value if word is None else word
        if word is None:
            choices.append(Choice(field, value, getattr(paper, field), reason))
    settings = replace(requested, method=entry.outside.reference if entry.outside else name, **chosen)
    if settings.warmup and settings.epochs and settings.warmup > settings.epochs:
        raise Unfit(f"--warmup {settings.warmup:g} epochs is longer than the whole run of {settings.epochs}.")
    within = {field: chosen[field] for field in IN_CONFIG if field in fields}
    config = methods.configured(name, {**pairs(paper.set, "recipe"), **within, **own})
    _check(config, name, entry, batch, facts.n)
    plan = Plan(Resolved.of(settings), config, choices, "", entry)
    stands_in = f"none of its own, that of {known.stands_in} stands in: {which}" if known.stands_in else which
    return replace(plan, recipe=f"{plan.name}, {stands_in}")


def _as_its_file_says(paper: Settings, config: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    """Temperature and the like of a method from outside: no rule of ours was measured on it."""
    told = {field: getattr(paper, field) for field in IN_CONFIG}
    return {field: (config.get(field) if value is None else value, "as its file says") for field, value in told.items()}


def _check(config: Any, name: str, entry: Entry, batch: int, samples: int) -> None:
    """Unfit where a number of the method does not suit this batch or this data."""
    numbers = vars(config)
    if batch < 2 * (groups := numbers.get("bn_groups", 1)):
        raise Unfit(f"--set bn_groups={groups} needs two rows a group; the batch has {batch}.")
    against = parsed(numbers.get("negatives", ""))
    check_fits(against, name, entry.kind, KINDS[entry.kind].negatives)
    check_size(against.queue or numbers.get("queue", 0), samples)


def _as_published(word: Any, field: str, published: Settings) -> Any:
    """`--optimizer lars` alone means the form of LARS that this paper used; any option makes it the user's own.

    A rule's word means the same as the user's, so that `config.yaml` read again gives the run that wrote it.
    """
    options = published.optimizer or ""
    return options if field == "optimizer" and word is not None and word == options.split(":")[0] else word


@dataclass(frozen=True)
class Written:
    """What a `config.yaml` says.

    weights_from   the folder whose weights the run began with
    method_sha256  of the file with the method, where that one is not ours
    """

    data: Any
    weights_from: str | None
    settings: Settings
    method_sha256: str = ""


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
    data, weights_from, method, sha256 = (
        values.pop(name, None) for name in ("data", "from", "method", "method_sha256")
    )
    if isinstance(method, Mapping):
        own = dict(method)
        values["method"] = own.pop("name", None)
        flags = {name: own.pop(name) for name in list(own) if name in NAMES}
        values |= {"set": own, **{name: value for name, value in flags.items() if name not in values}}
    elif method is not None:
        values["method"] = method
    settings = from_mapping(values, str(path))
    return Written(data, None if weights_from is None else str(weights_from), settings, str(sha256 or ""))


def complete(plan: Plan, data: str) -> dict[str, Any]:
    """What `config.yaml` holds: enough to repeat the run bit by bit, given the file of a method from outside."""
    settings = {k: v for k, v in plan.settings.requested().items() if k not in ("method", "set", "out")}
    file = {"method_sha256": plan.entry.outside.sha256} if plan.entry.outside else {}
    return {"data": data, "method": {"name": plan.settings.method, **asdict(plan.config)}, **file, **settings}
