"""What `kontrast methods` prints: each method's card, its published recipes, and every number with its source."""

from __future__ import annotations

import inspect

from kontrast import methods
from kontrast.recipes.resolve import PUBLISHED


def listed() -> str:
    """One line a method."""
    lines = [f"{name:<14}{known.kind:<8}{known.line}" for name, known in methods.METHODS.items()]
    return "\n".join([*lines, "", "kontrast methods NAME shows its card, recipe and sources."])


def about(name: str) -> str:
    """The card, the numbers of its Config, and the published recipes as written in `recipes/`."""
    lines = [methods.card(name), "", f"numbers of {name} (--set NAME=VALUE)"]
    lines += [f"  {field:<22}{default:<12}{source}" for field, default, source in methods.numbers(name)]
    for recipe, made in PUBLISHED[name].items():
        source = inspect.getsource(made).splitlines()
        lines += ["", f"recipe {recipe}: {inspect.getdoc(made)}"]
        lines += [f"  {line.strip()}" for line in source if "=" in line and "def " not in line]
    named = (inspect.getdoc(inspect.getmodule(made)) or "").partition("\n\n")[2]
    lines += ["", "sources", *(f"  {line}" for line in named.splitlines())]
    return "\n".join(lines)
