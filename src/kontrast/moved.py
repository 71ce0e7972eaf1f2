"""Module paths that the docs once named: a script that imports them goes on working."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "kontrast.model": "kontrast.modalities.images.model",
    "kontrast.pair_model": "kontrast.modalities.pairs.model",
    "kontrast.text_model": "kontrast.modalities.texts.model",
    "kontrast.negatives.across": "kontrast.distributed.gather",
    "kontrast.positives.papers": "kontrast.positives.images.papers",
    "kontrast.data.sources": "kontrast.data.open",
    "kontrast.evaluate.clusters": "kontrast.evaluate.kmeans",
    "kontrast.evaluate.views": "kontrast.evaluate.view_retrieval",
    "kontrast.evaluate.protocols": "kontrast.evaluate.suite",
    "kontrast.explore.search": "kontrast.evaluate.knn",
    "kontrast.explore": "kontrast.report",
}


class _Renamed(Loader):
    """The module under its new name; nothing is executed twice."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.new)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own_spec


class _Finder(MetaPathFinder):
    """Asked last, for names that nobody else knows."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        new = MOVED.get(fullname)
        return None if new is None else ModuleSpec(fullname, _Renamed(new), is_package=fullname == "kontrast.explore")


def understood() -> None:
    """From now on the old paths lead to the new ones."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
