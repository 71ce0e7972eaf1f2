"""kontrast: contrastive representation learning that cannot look fine and be wrong.

The tour, in reading order. Names are loaded when they are touched, so importing kontrast imports no torch.

    positives -> encoders -> negatives -> similarity -> losses     what contrastive learning is
    methods (the seam: embed, compare, after_step) -> training     how it is run
    evaluate, report, exchange                                     whether it worked, a look at it, taking it elsewhere
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kontrast import moved

__version__ = "0.1.0"

_WHERE = {
    "positives": "kontrast.positives",
    "encoders": "kontrast.encoders",
    "negatives": "kontrast.negatives",
    "similarity": "kontrast.similarity",
    "losses": "kontrast.losses",
    "methods": "kontrast.methods",
    "recipes": "kontrast.recipes",
    "data": "kontrast.data",
    "training": "kontrast.training",
    "evaluate": "kontrast.evaluate",
    "report": "kontrast.report",
    "explore": "kontrast.report",  # as it was called
    "exchange": "kontrast.exchange",
    "train": "kontrast.run.start:train",
    "worth": "kontrast.run.worth:worth",
    "Run": "kontrast.run.result:Run",
    "load": "kontrast.modalities.registry:load",
    "index": "kontrast.commands.index:index",
    "Index": "kontrast.vector_index.layout:Index",
    "import_weights": "kontrast.commands.import_weights:import_weights",
    "mixed": "kontrast.modalities.pairs.model:mixed",
    "Model": "kontrast.modalities.images.model:Model",
    "ContrastiveEmbedder": "kontrast.estimator:ContrastiveEmbedder",
    "Settings": "kontrast.settings:Settings",
    "Unfit": "kontrast.errors:Unfit",
    "Failed": "kontrast.errors:Failed",
}
__all__ = ["__version__", *_WHERE]  # noqa: PLE0604

if TYPE_CHECKING:
    from kontrast.commands.import_weights import import_weights as import_weights
    from kontrast.commands.index import index as index
    from kontrast.errors import Failed as Failed
    from kontrast.errors import Unfit as Unfit
    from kontrast.estimator import ContrastiveEmbedder as ContrastiveEmbedder
    from kontrast.modalities.images.model import Model as Model
    from kontrast.modalities.pairs.model import mixed as mixed
    from kontrast.modalities.registry import load as load
    from kontrast.run.result import Run as Run
    from kontrast.run.start import train as train
    from kontrast.run.worth import worth as worth
    from kontrast.settings import Settings as Settings
    from kontrast.vector_index.layout import Index as Index


moved.understood()


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'kontrast' has no attribute {name!r}")
    module, _, attribute = _WHERE[name].partition(":")
    loaded = import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def __dir__() -> list[str]:
    return sorted(__all__)
