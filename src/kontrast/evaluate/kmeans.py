"""Do the classes fall apart by themselves? k-means on the training features, judged on the test ones.

The clusters are found without labels and without the test rows; labels only name them: each cluster gets one class, by
the matching that makes most test rows right (Hungarian method), as is usual in the clustering literature.

Shapes: K rows of the bank, Q test rows, H feature width, C clusters and classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from kontrast import keyed, progress
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.labelled import Draw, Labelled, any_class
from kontrast.evaluate.protocol import Measure, Metric

ROWS = 10_000  # of the bank at most
STARTS = 10  # k-means++ starts; the one with the least inertia on the bank is kept


@dataclass(frozen=True)
class Clustering:
    """`accuracy` after matching; `nmi` = mutual information over the arithmetic mean of both entropies."""

    accuracy: float
    nmi: float
    cluster_Q: npt.NDArray[np.int64]


def kmeans(bank_KH: Vectors, test_QH: Vectors, answer_Q: Vectors, *, clusters: int, seed: int = 0) -> Clustering:
    """k-means (scikit-learn, 10 starts) on unit-length bank features; each test row joins the nearest centre.

    Of a bank above 10,000 rows, a keyed choice of so many is clustered.

    Chance is about 1/C for the accuracy (a little above, since the matching looks at the answers) and 0 for NMI.
    Raises ValueError for a bank with fewer rows than clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import normalized_mutual_info_score
    from threadpoolctl import threadpool_limits

    if len(bank_KH) < clusters:
        raise ValueError(f"bank must hold at least one row per cluster ({clusters}); got {len(bank_KH)}.")
    if len(bank_KH) > ROWS:
        chosen_K = np.sort(np.argsort(keyed.words("clusters", seed, np.arange(len(bank_KH))))[:ROWS])
        bank_KH = bank_KH[chosen_K]
    answer = np.asarray(torch.as_tensor(answer_Q).cpu(), dtype=np.int64)
    # Threads would add up the centres in a random order. A collapsed encoder has fewer distinct points than clusters:
    # that is a result, not a warning.
    with threadpool_limits(limits=1, user_api="openmp"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        progress.told("k-means")
        fitted = KMeans(clusters, n_init=STARTS, random_state=seed).fit(_unit(bank_KH))
        cluster_Q = fitted.predict(_unit(test_QH)).astype(np.int64)
    return Clustering(
        matched_accuracy(cluster_Q, answer), float(normalized_mutual_info_score(answer, cluster_Q)), cluster_Q
    )


def matched_accuracy(cluster_Q: npt.NDArray[np.int64], answer_Q: npt.NDArray[np.int64]) -> float:
    """The largest share of rows that any one-to-one naming of clusters by classes gets right."""
    from scipy.optimize import linear_sum_assignment

    count_CC = np.zeros((cluster_Q.max() + 1, answer_Q.max() + 1))
    np.add.at(count_CC, (cluster_Q, answer_Q), 1)
    cluster, named = linear_sum_assignment(count_CC, maximize=True)
    return float(count_CC[cluster, named].sum() / len(answer_Q))


def _unit(vectors: Vectors) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = normalize(torch.as_tensor(vectors).float().cpu(), dim=1).numpy()
    return unit


def _grouped(draw: Draw) -> Iterator[Measure]:
    clusters = len(draw.label_K.unique())
    found = kmeans(draw.bank_KH, draw.test_MH, draw.answer_M, clusters=clusters, seed=draw.seed)
    yield Measure("kmeans_accuracy", found.accuracy)
    yield Measure("nmi", found.nmi)


KMEANS = Labelled(
    "kmeans",
    (
        Metric(
            "kmeans_accuracy",
            "k-means clusters",
            "Groups found without any label, then matched with the classes.",
            told="clusters found without labels match the classes for {value}",
            decisive=True,
        ),
        Metric("nmi", "k-means NMI", "How much the groups tell about the classes: 0 nothing, 1 all.", "", 2, ""),
    ),
    _grouped,
    any_class,
)
