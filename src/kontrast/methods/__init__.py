"""One paper, one file. This list says what there is without importing torch.

A name is one of the list, or says where a method from outside is (`outside.py`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib import import_module, resources
from typing import Any

from kontrast.errors import Unfit
from kontrast.methods import outside
from kontrast.methods.outside import Outside
from kontrast.settings import nearest


@dataclass(frozen=True)
class Entry:
    """A method by name: its file, its class, what it reads, and one line on when to use it."""

    module: str
    made_by: str
    kind: str  # images, texts or pairs
    line: str
    preset: dict[str, Any]  # what this name changes in the file's Config (MoCo v1 and v2 share one file)
    scored: str = ""  # the file whose loss takes rows a, b, label; none: it has no use for such rows
    grouped: str = ""  # the file whose loss takes whole groups (--same); none: two of a group are a pair
    outside: Outside | None = None  # where the file is not one of ours

    def load(self) -> tuple[Any, Any]:
        """(the method's class, its Config class)."""
        if self.outside:
            return self.outside.made_by, self.outside.config
        module = import_module(f"kontrast.methods.{self.module}")
        return getattr(module, self.made_by), module.Config


METHODS = {
    "simclr": Entry(
        "simclr", "SimCLR", "images", "two views of each picture against the rest of the batch", {},
        scored="margin", grouped="supcon",
    ),
    "moco": Entry(
        "moco", "MoCo", "images", "a view against a queue of keys made by a slow twin: for small batches", {}
    ),
    "moco-v2": Entry(
        "moco", "MoCo", "images", "MoCo with SimCLR's projector and views", {"hidden": 0, "temperature": 0.2}
    ),
    "swav": Entry(
        "swav", "SwAV", "images", "views must agree on evenly used clusters; gains from many small crops", {}
    ),
    "byol": Entry("byol", "BYOL", "images", "predict what a slow twin makes of the other view; no negatives", {}),
    "barlow-twins": Entry(
        "barlow_twins", "BarlowTwins", "images",
        "views agree feature by feature, features are uncorrelated; no negatives", {},
    ),
    "clip": Entry("clip", "CLIP", "pairs", "pictures and their captions in one space: search and classes in words", {}),
    "simcse": Entry(
        "simcse", "SimCSE", "texts", "a sentence must find itself under other dropout, or its given partner", {},
        scored="margin",
    ),
}  # fmt: skip


def entry(name: str) -> Entry:
    """The entry of a name; an unknown one is told with the nearest. A file that the name leads to is run."""
    if name in METHODS:
        return METHODS[name]
    read = outside.read(name, METHODS)
    return Entry(read.name, read.made_by.__name__, read.kind, read.line, {}, outside=read)


def load(name: str) -> tuple[Any, Any]:
    """(the method's class, its Config class)."""
    return entry(name).load()


def source(name: str) -> str:
    """The text of the method's file."""
    known = entry(name)
    if known.outside:
        return known.outside.text
    return resources.files("kontrast.methods").joinpath(f"{known.module}.py").read_text()


def card(name: str) -> str:
    """The five-line card that opens the method's file."""
    return outside.card(source(name))


def numbers(name: str) -> list[tuple[str, str, str]]:
    """(field, default, source in a comment) of the method's Config, read from its file."""
    known, text = entry(name), source(name)
    lines, tree = text.splitlines(), ast.parse(text)
    config = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Config"), None)
    comments, written = {}, {}
    for field in config.body if config else ():
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.value is not None:
            last = max(field.lineno, (field.end_lineno or 0) - 1)  # a field on several lines ends with its bracket
            comments[field.target.id] = " ".join(lines[field.lineno - 1 : last]).partition("#")[2].strip()
            written[field.target.id] = field.value
    if known.outside:  # it is run already, and its defaults need not be written out
        defaults = vars(known.outside.config())
    else:
        defaults = {field: ast.literal_eval(value) for field, value in written.items()} | known.preset
    return [(field, repr(value), comments.get(field, "")) for field, value in defaults.items()]


KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def _of_kind(value: Any, default: Any) -> bool:
    """Whether a value may stand where this default stands; None means that a rule or the method decides."""
    if None in (value, default):
        return True
    if bool in (type(value), type(default)):
        return type(value) is type(default)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def configured(name: str, values: dict[str, Any]) -> Any:
    """The method's Config with these values over its preset; an unknown field is told with the nearest name.

    Unfit too for a word where a number stands, and for a width below 1.
    """
    _, config = load(name)
    defaults = vars(config())
    known = [field for field, _, _ in numbers(name)]
    for field, value in values.items():
        if field not in known:
            raise Unfit(f"--set {field!r} is not a field of {name}{nearest(field, known)}")
        if not _of_kind(value, defaults[field]) or (field == "width" and value < 1):
            kind = "a whole number from 1" if field == "width" else KINDS[type(defaults[field])]
            raise Unfit(f"--set {field}={value}: expected {kind}.")
    try:
        return config(**{**entry(name).preset, **values})
    except ValueError as problem:  # a file from outside may check its numbers itself
        raise Unfit(f"--set {' '.join(f'{k}={v}' for k, v in values.items())}: {problem}") from problem
