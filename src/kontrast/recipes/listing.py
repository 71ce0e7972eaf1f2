"""What `kontrast methods` prints: each method's card, its published recipes, and every number with its source."""

from __future__ import annotations

import inspect

from kontrast import methods
from kontrast.methods import outside
from kontrast.recipes import published


def listed() -> str:
    """One line a method."""
    lines = [f"{name:<14}{known.kind:<8}{known.line}" for name, known in methods.METHODS.items()]
    lines += [f"{name:<14}{'':<8}installed: {value}" for name, value in outside.installed().items()]
    more = "kontrast methods NAME shows its card, recipe and sources; so does FILE.py with a method of your own."
    return "\n".join([*lines, "", more])


def about(name: str) -> str:
    """The card, the numbers of its Config, and the published recipes as written in their file."""
    known = methods.entry(name)
    called = known.outside.name if known.outside else name
    lines = [methods.card(name), "", f"numbers of {called} (--set NAME=VALUE)"]
    lines += [f"  {field:<22}{default:<12}{source}" for field, default, source in methods.numbers(name)]
    if known.outside:
        lines += ["", f"reads {known.kind}", *known.outside.messages]
    of_it = published.of(name, known)
    if of_it.stands_in:
        return "\n".join([*lines, "", f"no recipe of its own: that of {of_it.stands_in} stands in"])
    recipes = known.outside.contents["RECIPES"] if known.outside else of_it.recipes
    for recipe, made in recipes.items():
        source = inspect.getsource(made).splitlines()
        lines += ["", f"recipe {recipe}: {inspect.getdoc(made)}"]
        lines += [f"  {line.strip()}" for line in source if "=" in line and "def " not in line]
    if known.outside:
        return "\n".join(lines)
    named = (inspect.getdoc(inspect.getmodule(made)) or "").partition("\n\n")[2]
    return "\n".join([*lines, "", "sources", *(f"  {line}" for line in named.splitlines())])
