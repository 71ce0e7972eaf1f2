"""Where a method's published settings are: `recipes/NAME.py`, by its name; from outside, in the method's own file.

RECIPES  name -> function that returns `Settings`: "imagenet" and "cifar10"; of texts "unsupervised" and "supervised"
rules    what the method wants otherwise in small runs: `rules(Scale)`, field or setting -> (value, reason); optional
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from kontrast.errors import Unfit
from kontrast.methods import Entry
from kontrast.methods.outside import told
from kontrast.recipes.rules import Scale
from kontrast.settings import NAMES, Settings, nearest

STANDS_IN = {"images": "simclr", "texts": "simcse", "pairs": "clip"}  # for a method from outside without a recipe
OWN = ("method", "set", "temperature", "similarity", "decoupled", "negatives")  # nobody else's can stand in for these

Rules = Callable[[Scale], Mapping[str, tuple[Any, str]]]


@dataclass(frozen=True)
class Published:
    """A method's recipes and rules; `stands_in` names whose they are where it has none."""

    recipes: Mapping[str, Callable[[], Settings]]
    rules: Rules
    stands_in: str = ""

    def recipe(self, wanted: str) -> tuple[str, Settings]:
        """(its name, the settings): the wanted one, else the first there is."""
        name = wanted if wanted in self.recipes else next(iter(self.recipes))
        return name, self.recipes[name]()


def of(name: str, entry: Entry) -> Published:
    """What is published of a method. Unfit where a file from outside has it wrong."""
    if entry.outside is None:
        module = vars(import_module(f"kontrast.recipes.{name.replace('-', '_')}"))
        return Published(module["RECIPES"], module.get("rules", _none))
    file, inside = entry.outside.reference, entry.outside.contents
    stands_in = STANDS_IN.get(entry.kind, STANDS_IN["images"])
    others = vars(import_module(f"kontrast.recipes.{stands_in}"))["RECIPES"]
    own = inside.get("RECIPES", {})
    if not isinstance(own, Mapping) or not all(callable(made) for made in own.values()):
        raise Unfit(f"--method {file}: RECIPES must be a dict of functions that return kontrast.Settings.")
    recipes = {n: _filled(made, others.get(n, others[min(others)]), f"{file}, recipe {n}") for n, made in own.items()}
    recipes = recipes or {n: _filled(Settings, made, file) for n, made in others.items()}
    rules = _checked(inside["rules"], entry, file) if "rules" in inside else _none
    return Published(recipes, rules, "" if own else stands_in)


def _none(scale: Scale) -> Mapping[str, tuple[Any, str]]:
    """Nothing is wanted otherwise."""
    return {}


def _filled(made: Callable[[], Settings], other: Callable[[], Settings], where: str) -> Callable[[], Settings]:
    """A recipe from outside, what it leaves open as another method's has it."""

    def filled() -> Settings:
        try:
            settings = made()
        except Exception as problem:
            raise Unfit(f"--method {where} cannot be made: {told(problem)}.") from problem
        if not isinstance(settings, Settings):
            raise Unfit(f"--method {where} must return kontrast.Settings, got {type(settings).__name__}.")
        return settings.over(replace(other(), **dict.fromkeys(OWN)))

    return filled


def _checked(rules: Any, entry: Entry, file: str) -> Rules:
    """Rules from outside, held to their form."""
    _, config = entry.load()
    known = [*NAMES, *vars(config())]

    def checked(scale: Scale) -> Mapping[str, tuple[Any, str]]:
        try:
            found = {field: (value, str(reason)) for field, (value, reason) in rules(scale).items()}
        except Exception as problem:
            raise Unfit(f"--method {file}: rules(scale) gives field -> (value, reason); {told(problem)}.") from problem
        for field in found:
            if field not in known:
                raise Unfit(f"--method {file}: rules names {field!r}{nearest(field, known)}")
        return found

    return checked
