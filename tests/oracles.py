"""The losses again, in float64 with plain Python loops: slow, obvious, and sharing no code with kontrast.

Inputs are NumPy arrays; gradients come from central differences (`slope`).

Shapes: V views, B samples, D width, Q queries, K keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def similarity(a: Array, b: Array, kind: str) -> float:
    product = sum(float(x) * float(y) for x, y in zip(a, b))
    if kind == "dot":
        return product
    if kind == "cosine":
        lengths = math.sqrt(sum(float(x) ** 2 for x in a)) * math.sqrt(sum(float(y) ** 2 for y in b))
        return product / lengths if lengths > 0 else 0.0
    square = sum((float(x) - float(y)) ** 2 for x, y in zip(a, b))
    return -square if kind == "squared_euclidean" else -math.sqrt(square)


def log_sum_exp(values: Sequence[float]) -> float:
    if not values:
        return -math.inf
    top = max(values)
    return top + math.log(math.fsum(math.exp(v - top) for v in values))


def row_loss(
    positives: Sequence[float],
    negatives: Sequence[float],
    *,
    decoupled: bool = False,
    tau_plus: float = 0.0,
    beta: float = 0.0,
    temperature: float = 1.0,
) -> float:
    """One row, from logits. Debiased and reweighted as in methods of Chuang et al. and Robinson et al., literally."""
    if tau_plus or beta:
        n = len(negatives)
        weights = [math.exp(beta * s) for s in negatives]
        mean_weight = sum(weights) / n
        total = sum(w / mean_weight * math.exp(s) for w, s in zip(weights, negatives))
        positive = sum(math.exp(s) for s in positives) / len(positives)
        total = (total - tau_plus * n * positive) / (1 - tau_plus)
        negative_sum = math.log(max(total, n * math.exp(-1 / temperature))) if tau_plus else math.log(total)
    else:
        negative_sum = log_sum_exp(negatives)
    mean = math.fsum(positives) / len(positives)
    if decoupled:
        return negative_sum - mean if negatives else 0.0
    return log_sum_exp([*positives, *([negative_sum] if negatives else [])]) - mean


def nt_xent(
    views: Array,
    temperature: float,
    kind: str = "cosine",
    *,
    decoupled: bool = False,
    ids: Sequence[int] | None = None,
    groups: Sequence[int] | None = None,
    more: Array | None = None,
    more_ids: Sequence[int] | None = None,
    own: Array | None = None,
    tau_plus: float = 0.0,
    beta: float = 0.0,
) -> Array:
    """Loss of every row, (V, B)."""
    V, B, _ = views.shape
    ids = list(range(B)) if ids is None else ids
    losses = np.zeros((V, B))
    for v in range(V):
        for b in range(B):
            positives, negatives = [], []
            for u in range(V):
                for c in range(B):
                    s = similarity(views[v, b], views[u, c], kind) / temperature
                    if c == b:
                        if u != v:
                            positives.append(s)
                    elif ids[c] != ids[b] and (groups is None or groups[c] != groups[b]):
                        negatives.append(s)
            for k, key in enumerate([] if more is None else more):
                if more_ids is None or more_ids[k] != ids[b]:
                    negatives.append(similarity(views[v, b], key, kind) / temperature)
            for key in [] if own is None else own[v, b]:
                negatives.append(similarity(views[v, b], key, kind) / temperature)
            losses[v, b] = row_loss(
                positives, negatives, decoupled=decoupled, tau_plus=tau_plus, beta=beta, temperature=temperature
            )
    return losses


def dclw(views: Array, temperature: float, sigma: float, ids: Sequence[int] | None = None) -> Array:
    """Loss of every row, (2, B): the decoupled one with the positive's logit times its weight."""
    cosines = [similarity(a, b, "cosine") for a, b in zip(*views)]
    total = math.fsum(math.exp(c / sigma) for c in cosines)
    weights = [2 - len(cosines) * math.exp(c / sigma) / total for c in cosines]
    plain = nt_xent(views, temperature, decoupled=True, ids=ids)
    pull = [c / temperature for c in cosines]
    return np.array([[loss + s - w * s for loss, s, w in zip(row, pull, weights)] for row in plain])


def info_nce(
    query: Array,
    key: Array,
    temperature: float,
    kind: str = "cosine",
    *,
    positive: Sequence[int] | None = None,
    positive_vectors: Array | None = None,
    query_ids: Sequence[int] | None = None,
    key_ids: Sequence[int] | None = None,
    decoupled: bool = False,
) -> Array:
    """Loss of every query, (Q,)."""
    losses = np.zeros(len(query))
    for q in range(len(query)):
        own = None if positive_vectors is not None else (q if positive is None else positive[q])
        target = positive_vectors[q] if positive_vectors is not None else key[own]
        negatives = [
            similarity(query[q], key[k], kind) / temperature
            for k in range(len(key))
            if k != own and (query_ids is None or key_ids is None or query_ids[q] != key_ids[k])
        ]
        losses[q] = row_loss([similarity(query[q], target, kind) / temperature], negatives, decoupled=decoupled)
    return losses


def clip(
    image: Array, text: Array, temperature: float, kind: str = "cosine", ids: Sequence[int] | None = None
) -> Array:
    """Loss of every pair, (B,): the mean of its two directions."""
    forth = info_nce(image, text, temperature, kind, query_ids=ids, key_ids=ids)
    return (forth + info_nce(text, image, temperature, kind, query_ids=ids, key_ids=ids)) / 2


def siglip(image: Array, text: Array, temperature: float, bias: float) -> Array:
    losses = np.zeros(len(image))
    for b in range(len(image)):
        for c in range(len(text)):
            logit = similarity(image[b], text[c], "cosine") / temperature + bias
            losses[b] += math.log1p(math.exp(-logit if b == c else logit))
    return losses


def sup_con(rows: Array, labels: Sequence[int], temperature: float, kind: str = "cosine") -> Array:
    """Loss of every row that has a positive; nan for the others."""
    losses = np.full(len(rows), np.nan)
    for i in range(len(rows)):
        logits = {j: similarity(rows[i], rows[j], kind) / temperature for j in range(len(rows)) if j != i}
        positives = [s for j, s in logits.items() if labels[j] == labels[i]]
        if positives:
            losses[i] = log_sum_exp(list(logits.values())) - math.fsum(positives) / len(positives)
    return losses


def margin(first: Array, second: Array, similar: Sequence[bool], margin: float, kind: str) -> Array:
    losses = np.zeros(len(first))
    for b in range(len(first)):
        distance = (
            -similarity(first[b], second[b], kind) if kind == "euclidean" else 1 - similarity(first[b], second[b], kind)
        )
        losses[b] = distance**2 / 2 if similar[b] else max(0.0, margin - distance) ** 2 / 2
    return losses


def alignment(first: Array, second: Array, exponent: float) -> Array:
    return np.array(
        [math.sqrt(max(0.0, 2 - 2 * similarity(a, b, "cosine"))) ** exponent for a, b in zip(first, second)]
    )


def uniformity(rows: Array, t: float) -> float:
    pairs = [
        math.exp(-t * (2 - 2 * similarity(rows[i], rows[j], "cosine"))) for i in range(len(rows)) for j in range(i)
    ]
    return math.log(math.fsum(pairs) / len(pairs))


def byol(prediction: Array, target: Array) -> Array:
    return np.array([2 - 2 * similarity(p, z, "cosine") for p, z in zip(prediction, target)])


def correlation(first: Array, second: Array) -> Array:
    B, D = first.shape
    standard = []
    for x in (first, second):
        columns = []
        for d in range(D):
            mean = math.fsum(x[:, d]) / B
            variance = math.fsum((v - mean) ** 2 for v in x[:, d]) / B
            columns.append([(v - mean) / math.sqrt(variance + 1e-5) for v in x[:, d]])
        standard.append(columns)
    return np.array([[math.fsum(a * b for a, b in zip(p, q)) / B for q in standard[1]] for p in standard[0]])


def barlow_twins(first: Array, second: Array, weight: float) -> float:
    C = correlation(first, second)
    on = math.fsum((C[i, i] - 1) ** 2 for i in range(len(C)))
    off = math.fsum(C[i, j] ** 2 for i in range(len(C)) for j in range(len(C)) if i != j)
    return on + weight * off


def sinkhorn(scores: Array, epsilon: float, iterations: int) -> Array:
    """SwAV's own order on exp(scores / epsilon): prototypes to 1/K, then samples to 1/B, at the end rows to 1."""
    Q = np.exp(scores.T / epsilon)
    Q /= Q.sum()
    K, B = Q.shape
    for _ in range(iterations):
        Q /= Q.sum(1, keepdims=True) * K
        Q /= Q.sum(0, keepdims=True) * B
    return (Q * B).T


def swapped_prediction(scores: Array, codes: Array, temperature: float) -> Array:
    """Mean over the pairs of views, (B,)."""
    V, B, K = scores.shape
    losses = np.zeros(B)
    pairs = [(a, v) for a in range(len(codes)) for v in range(V) if v != a]
    for b in range(B):
        for a, v in pairs:
            total = log_sum_exp([s / temperature for s in scores[v, b]])
            losses[b] += -math.fsum(codes[a, b, k] * (scores[v, b, k] / temperature - total) for k in range(K))
    return losses / len(pairs)


def slope(function: Callable[[Array], float], at: Array, step: float = 1e-6) -> Array:
    """Gradient of a scalar function by central differences."""
    gradient = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        moved = at.copy()
        moved[place] += step
        above = function(moved)
        moved[place] -= 2 * step
        gradient[place] = (above - function(moved)) / (2 * step)
    return gradient
