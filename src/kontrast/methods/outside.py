"""A method from outside the package: one file of the user's own, with the same contract as ours.

    --method FILE.py            the one class in it that has the three verbs
    --method FILE.py:Class      this one
    --method package.module:Class
    --method NAME               an installed package's entry point in the group `kontrast.methods`

The file holds a card (its docstring), a frozen dataclass `Config`, and one `nn.Module` as `methods.method` describes
it. It may hold more, and what is missing is said: the class attribute `kind` (images, texts or pairs), `RECIPES` (name
-> function that returns `Settings`) and `rules` (as in `recipes/`).

Reading a method runs its file, so only `--method` gets here: a run folder or a configuration of somebody else never
does. The text that is run is the text that is hashed; it is compiled from memory and leaves no cache beside the file.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from kontrast.errors import Unfit
from kontrast.settings import NAMES, nearest

GROUP = "kontrast.methods"
VERBS = {"embed": ("batch",), "compare": ("embeddings",), "after_step": ("outcome", "progress")}
CALLS: dict[str, tuple[str, ...]] = {**VERBS, "parameter_groups": ()}
IN_CONFIG = ("temperature", "similarity", "decoupled", "negatives")  # common flags that a method's Config may hold
PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Outside:
    """What was read.

    name       a short one, for folders and pages: `vicreg` of `./vicreg.py`
    reference  the whole one, for `config.yaml`: the file's full path, or the module, and the class
    """

    name: str
    reference: str
    made_by: Any
    config: Any
    text: str
    kind: str
    contents: Mapping[str, Any]  # of the module
    messages: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the file's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def line(self) -> str:
        """What it is, in its card's first line."""
        return card(self.text).partition("\n")[0].rstrip(".")


def card(text: str) -> str:
    """The docstring that opens a method's file."""
    return ast.get_docstring(ast.parse(text)) or ""


def names(reference: str) -> bool:
    """Whether this is how a method from outside is called. Nothing is read or run to know it."""
    return ":" in reference or reference.endswith(".py") or reference in installed()


def installed() -> dict[str, str]:
    """Methods of installed packages: name -> package.module:Class."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def read(reference: str, ours: Iterable[str] = ()) -> Outside:
    """The method of that name. Unfit, in a sentence, where it does not hold to the contract."""
    head, _, class_name = reference.rpartition(":") if not reference.endswith(".py") else (reference, "", "")
    if head.endswith(".py"):
        path = Path(head).expanduser().resolve()
        text = _text(path, reference)
        return _method(_executed(path, text), text, str(path), path.stem, class_name)
    found = installed()
    if reference in found:
        head, _, class_name = found[reference].rpartition(":")
    if not head:
        raise Unfit(f"--method {reference!r} is unknown{nearest(reference, [*ours, *found])} Your own: FILE.py.")
    module = _imported(head, reference)
    text = _text(Path(inspect.getsourcefile(module) or ""), reference)
    short = reference if reference in found else head.rpartition(".")[2]
    return _method(module, text, head, short, class_name)


def _text(path: Path, reference: str) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        told = problem.strerror if isinstance(problem, OSError) else "it is no text"
        raise Unfit(f"--method {reference} cannot be read: {told}.") from None


@cache
def _executed(path: Path, text: str) -> ModuleType:
    """The file as a module of its own name, once per text."""
    module = ModuleType(f"kontrast_method_{path.stem}_{hashlib.sha256(text.encode()).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except SyntaxError as problem:
        raise Unfit(f"--method {path}, line {problem.lineno}: this is no Python ({problem.msg}).") from problem
    except (Exception, SystemExit) as problem:
        raise Unfit(f"--method {path} cannot be loaded: {told(problem, path)}.") from problem
    return module


def _imported(name: str, reference: str) -> ModuleType:
    try:
        return import_module(name)
    except (Exception, SystemExit) as problem:
        raise Unfit(f"--method {reference}: {name} cannot be imported: {told(problem)}.") from problem


def told(problem: BaseException, path: str | Path = "") -> str:
    """An exception in words, with the line of the file that it came from."""
    lines = [frame.lineno for frame in traceback.extract_tb(problem.__traceback__) if frame.filename == str(path)]
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(problem).__name__}: {problem}{where}"


def _method(module: ModuleType, text: str, place: str, short: str, class_name: str) -> Outside:
    """What the module holds, held against the contract."""
    inside = vars(module)
    if not card(text):
        raise Unfit(f"--method {place}: the file has no card. Open it with a docstring that says what it learns by.")
    made_by = _class(module, place, class_name)
    where = f"--method {place}:{made_by.__name__}"
    config = _config(inside, place)
    _callable_as_ours(made_by, where)
    kind: str | None = vars(made_by).get("kind")
    messages: tuple[str, ...] = ()
    if kind is None:
        kind, messages = "images", ('reads pictures: the class says no kind, such as kind = "texts"',)
    if not isinstance(kind, str):  # whether there is such a kind of data, they know who read them
        raise Unfit(f"{where}: kind must be a word such as images, texts or pairs, got {kind!r}.")
    name = short.replace("_", "-")
    return Outside(name, f"{place}:{made_by.__name__}", made_by, config, text, kind, inside, messages)


def _class(module: ModuleType, place: str, name: str) -> Any:
    """The class of that name, or the only one with the three verbs."""
    classes = {n: c for n, c in vars(module).items() if isinstance(c, type) and c.__module__ == module.__name__}
    if name:
        if name not in classes:
            raise Unfit(f"--method {place}:{name}: there is no such class{nearest(name, classes)}")
        lacking = [verb for verb in CALLS if not callable(_attribute(classes[name], verb))]
        if lacking:
            raise Unfit(f"--method {place}:{name} is no method: it lacks {' and '.join(lacking)}.")
        return classes[name]
    whole = [n for n, c in classes.items() if all(callable(_attribute(c, verb)) for verb in VERBS)]
    if len(whole) > 1:
        raise Unfit(f"--method {place} holds {len(whole)} methods; say which: {place}:{whole[0]}")
    if not whole:
        some = {n: [verb for verb in VERBS if _attribute(c, verb) is None] for n, c in classes.items()}
        near = next((f": {n} lacks {' and '.join(v)}" for n, v in some.items() if len(v) < len(VERBS)), "")
        raise Unfit(f"--method {place} holds no class with {', '.join(VERBS)}{near}.")
    return _class(module, place, whole[0])


def _attribute(made_by: type, name: str) -> Any:
    """An attribute of the class or of one that it inherits from; None where there is none."""
    return next((vars(c)[name] for c in made_by.__mro__ if name in vars(c)), None)


def _config(inside: Mapping[str, Any], place: str) -> Any:
    """The frozen dataclass with the method's numbers."""
    config: Any = inside.get("Config")
    frozen = isinstance(config, type) and getattr(config, "__dataclass_params__", None)
    if not frozen or not frozen.frozen:
        raise Unfit(f"--method {place}: `Config` must be a frozen dataclass: @dataclass(frozen=True, kw_only=True).")
    try:
        values = vars(config())
    except Exception as problem:
        raise Unfit(f"--method {place}: every field of Config needs a default; {told(problem, place)}.") from problem
    for field in fields(config):
        if field.name == "name" or (field.name in NAMES and field.name not in IN_CONFIG):
            raise Unfit(f"--method {place}: Config.{field.name} has the name of a setting of every run; rename it.")
        if not isinstance(values.get(field.name), PLAIN):
            raise Unfit(
                f"--method {place}: Config.{field.name} is a {type(values[field.name]).__name__}; config.yaml keeps "
                "numbers, words, true and false."
            )
    return config


def _callable_as_ours(made_by: type, where: str) -> None:
    """Unfit where the class or a verb takes other arguments than it will be given."""
    from torch import nn

    if not issubclass(made_by, nn.Module):
        raise Unfit(f"{where} must be a torch.nn.Module, so that its weights are trained and kept.")
    try:
        inspect.signature(made_by).bind(object(), 1, object(), seed=0)
    except TypeError as problem:
        name = made_by.__name__
        raise Unfit(f"{where}: it is made as {name}(encoder, width, config, seed=0), and {problem}.") from None
    for verb, words in CALLS.items():
        try:
            inspect.signature(_attribute(made_by, verb)).bind(object(), *words)
        except TypeError as problem:
            raise Unfit(f"{where}: it is asked {verb}({', '.join(words)}), and {problem}.") from None
