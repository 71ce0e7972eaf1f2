"""Where the data say who belongs together, the loss says so too: chosen once, when a run is put together.

A method's encoder, head and memory stay its own; `margin.py` or `supcon.py` takes the place of its `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from torch import nn

from kontrast import methods
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress
from kontrast.negatives import Negatives, parsed


def supervised(method: Any, name: str, *, scored: bool, grouped: bool) -> Any:
    """The method, under the loss that its data call for: rows a, b, label (`scored`), or groups where only the batch's
    own negatives stand against them."""
    entry, config = methods.entry(name), method.config
    if scored:
        return Supervised(method, import_module(f"kontrast.methods.{entry.scored}").compare)
    alone = grouped and entry.grouped and not config.decoupled and parsed(config.negatives) == Negatives()
    return Supervised(method, import_module(f"kontrast.methods.{entry.grouped}").compare) if alone else method


class Supervised(nn.Module):
    """A method with another `compare`. What is stored is the method's own, name by name."""

    def __init__(self, method: Any, compare: Callable[[Embeddings, Any], Outcome]) -> None:
        super().__init__()
        self.method = method
        self.by_labels = compare

    @property
    def encoder(self) -> Any:
        return self.method.encoder

    def embed(self, batch: Batch) -> Embeddings:
        """As the method does."""
        embeddings: Embeddings = self.method.embed(batch)
        return embeddings

    def compare(self, z: Embeddings) -> Outcome:
        """By what the data bring."""
        return self.by_labels(z, self.method.config)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """Nothing is remembered: neither loss has a memory."""

    def parameter_groups(self) -> list[Group]:
        """The method's own."""
        groups: list[Group] = self.method.parameter_groups()
        return groups

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.method.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        return self.method.load_state_dict(state_dict, strict, assign)
