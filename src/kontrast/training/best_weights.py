"""The best weights seen so far, by a score on held-out data: `--evaluate-every N`.

SimCSE's authors keep the checkpoint that scores best on held-out sentence pairs, looking every 125 steps. The score is
part of how the model was chosen, so it flatters: report another set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

PREFIX = "best."  # of its tensors in a checkpoint


@dataclass
class BestWeights:
    """The encoder's weights at the step of the highest score; the earlier of equal ones."""

    score: float = float("-inf")
    step: int = -1
    weights: dict[str, Tensor] = field(default_factory=dict)

    def look(self, score: float, step: int, weights: Mapping[str, Tensor]) -> bool:
        """Keep a copy of these weights if they score higher than all before."""
        if not score > self.score:  # a score that is not a number is never the best
            return False
        self.score, self.step = score, step
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return True

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps, beside `state`."""
        return {PREFIX + name: tensor for name, tensor in self.weights.items()}

    def state(self) -> dict[str, Any]:
        return {"score": self.score, "step": self.step} if self.weights else {}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> BestWeights:
        weights = {name.removeprefix(PREFIX): t.clone() for name, t in tensors.items() if name.startswith(PREFIX)}
        return cls(**state, weights=weights)
