"""ContrastiveEmbedder among scikit-learn's own tools."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from kontrast import ContrastiveEmbedder, keyed

X = keyed.below(256, "pixels", np.arange(48 * 64)).reshape(48, 8, 8).astype(np.uint8)
y = np.arange(48) % 2
X[y == 1, :4] = 255  # two kinds of pictures


def quick(**words):
    return ContrastiveEmbedder(epochs=1, batch_size=8, **words)


def test_fit_and_transform_without_labels():
    made = quick(random_state=3).fit(X)
    vectors = made.transform(X[:5])
    assert vectors.shape == (5, made.n_features_out_) and vectors.dtype == np.float32
    assert isinstance(made.verdict_, str)
    again = quick(random_state=3).fit(X, y).transform(X[:5])
    np.testing.assert_array_equal(vectors, again)
    assert not np.array_equal(vectors, quick(random_state=4).fit(X).transform(X[:5]))


def test_parameters_are_stored_as_given_and_cloned():
    made = quick(temperature=0.3, random_state=7)
    assert clone(made).get_params() == made.get_params()
    with pytest.raises(NotFittedError):
        clone(made.fit(X)).transform(X)


def test_pipeline_and_grid_search():
    line = make_pipeline(quick(), LogisticRegression(max_iter=500))
    search = GridSearchCV(line, {"contrastiveembedder__temperature": [0.1, 0.5]}, cv=2)
    search.fit(X, y)
    assert search.best_score_ > 0.8
