"""A toy protocol: how long vectors are."""

from kontrast.evaluate.protocol import Measure, Metric, Protocol


class Lengths(Protocol):
    name = "lengths"
    metrics = (Metric("mean_length", "mean length", "How long are the vectors?", decimals=3, unit=""),)

    def measure(self, features, task):
        yield Measure("mean_length", features(task.source, task.source.ids).norm(dim=1).mean().item())
