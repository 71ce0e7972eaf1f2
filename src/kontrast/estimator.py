"""`ContrastiveEmbedder`: the same training behind scikit-learn's manners."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin


class ContrastiveEmbedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learn an embedding of unlabelled pictures; `transform` gives (n, d) float32 vectors.

    X is (n, height, width), (n, height, width, channels) or (n, channels, height, width) uint8, or a list of PIL
    pictures. `y` is never looked at. `clone`, `make_pipeline` and `GridSearchCV` work.

    Args:
        method: see `kontrast methods`.
        epochs, batch_size, temperature, encoder, views, lr: as on the command line; None means chosen by rule.
        random_state: everything random follows from it.
    """

    def __init__(
        self,
        method: str = "simclr",
        *,
        epochs: int | None = None,
        batch_size: int | None = None,
        temperature: float | None = None,
        encoder: str | None = None,
        views: str | None = None,
        lr: float | None = None,
        random_state: int = 0,
    ) -> None:
        self.method = method
        self.epochs = epochs
        self.batch_size = batch_size
        self.temperature = temperature
        self.encoder = encoder
        self.views = views
        self.lr = lr
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> ContrastiveEmbedder:
        """Train on X alone; learned: `model_`, `verdict_`, `n_features_out_`."""
        from kontrast.run.start import train

        words = {k: v for k, v in self.get_params().items() if v is not None and k != "random_state"}
        with tempfile.TemporaryDirectory() as folder:
            run = train(X, out=str(Path(folder) / "run"), seed=self.random_state, validate="none", say=_quiet, **words)
        if run.model is None:  # a signal ended it
            raise KeyboardInterrupt
        self.model_ = run.model
        self.verdict_ = run.summary["verdict"]
        self.n_features_out_ = run.model.width
        return self

    def transform(self, X: Any) -> npt.NDArray[np.float32]:
        """The encoder's vectors, (n, d) float32."""
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self, "model_")
        vectors: npt.NDArray[np.float32] = self.model_.embed(X)
        return vectors


def _quiet(text: str) -> None:
    """A library call inside a pipeline prints nothing."""
