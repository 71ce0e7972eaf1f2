"""The shape of a cloud of vectors, without labels: is the sphere used, and how many of its directions?

All values are for unit vectors u = x / ||x|| unless said otherwise, computed in float64.

Shapes: N vectors, D their width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import normalize

from kontrast.evaluate.embedders import Features
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.protocol import Measure, Metric, Misfit, Protocol, Task

BLOCK = 2048  # rows per block of the pair sums


def alignment(first_ND: Vectors, second_ND: Vectors) -> float:
    """Mean ||u - v||² over positive pairs. 0: views are one point; 2: no closer than random directions; 4: opposite.

    Wang and Isola 2020 (arXiv 2005.10242), with their alpha = 2. Low alone means nothing: a collapsed encoder has 0.
    """
    return (_unit(first_ND) - _unit(second_ND)).square().sum(dim=1).mean().item()


def uniformity(vectors_ND: Vectors, *, t: float = 2.0) -> float:
    """log mean over pairs i != j of exp(-t ||u_i - u_j||²). 0: all one point; lower is more even, see `even_sphere`.

    Wang and Isola 2020, with their t = 2. Blocked: memory is O(N).
    """
    unit_ND = _unit(vectors_ND)
    _at_least_two(unit_ND)
    total = sum(
        (2 * t * (part_BD @ unit_ND.T).clamp(max=1.0) - 2 * t).exp().sum().item() for part_BD in unit_ND.split(BLOCK)
    )
    pairs = len(unit_ND) * (len(unit_ND) - 1)
    own = (2 * t * unit_ND.square().sum(dim=1).clamp(max=1.0) - 2 * t).exp().sum().item()
    return math.log(max((total - own) / pairs, math.exp(-4 * t)))


def even_sphere(width: int, *, t: float = 2.0) -> float:
    """The uniformity of vectors spread evenly over the sphere in `width` dimensions: log(e^-2t 0F1(D/2; t²)).

    It falls from -2 t + log I_0(2 t) on the circle towards -2 t in many dimensions.
    """
    from scipy.special import hyp0f1

    return float(-2 * t + math.log(hyp0f1(width / 2, t * t)))


def effective_rank(vectors_ND: Vectors, *, eps: float = 1e-7) -> float:
    """exp of the entropy of the singular values of X, as they come: 1 (one direction) to min(N, D).

    RankMe (Garrido et al. 2023, arXiv 2210.02885): p = s / sum(s) + eps, rank = exp(-sum p log p). Vectors are neither
    centred nor normalised, as published.
    """
    vectors_ND = torch.as_tensor(vectors_ND).double()
    singular = torch.linalg.svdvals(torch.linalg.qr(vectors_ND, mode="r").R)
    share = singular / singular.sum().clamp_min(torch.finfo(torch.float64).tiny) + eps
    return math.exp(-(share * share.log()).sum().item())


def spread(vectors_ND: Vectors) -> float:
    """Mean standard deviation per dimension of the unit vectors. 0: collapsed; about 1/sqrt(D): evenly spread.

    From SimSiam (Chen and He 2021, arXiv 2011.10566, figure 2).
    """
    return _unit(vectors_ND).std(dim=0, unbiased=False).mean().item()


def healthy_spread(width: int) -> float:
    """1/sqrt(D), the spread of vectors that use all of the sphere."""
    return 1 / math.sqrt(width)


def mean_cosine(vectors_ND: Vectors) -> float:
    """Mean cosine over pairs i != j, from (||sum u||² - sum ||u||²) / (N (N - 1)). 0: even; 1: all one direction."""
    unit_ND = _unit(vectors_ND)
    _at_least_two(unit_ND)
    own = unit_ND.square().sum().item()
    return (unit_ND.sum(dim=0).square().sum().item() - own) / (len(unit_ND) * (len(unit_ND) - 1))


def _unit(vectors_ND: Vectors) -> Tensor:
    return normalize(torch.as_tensor(vectors_ND).double(), dim=1)


def _at_least_two(vectors_ND: Tensor) -> None:
    if len(vectors_ND) < 2:
        raise ValueError(f"vectors must hold at least two rows to form a pair; got {len(vectors_ND)}.")


ALIGNMENT = Metric(
    "alignment",
    "alignment",
    "Distance between two views of one item: 0 none, 2 as far as strangers.",
    decimals=2,
    unit="",
)


class Geometry(Protocol):
    """The shape of the cloud: always given, never decisive."""

    name = "geometry"
    metrics = (
        Metric("uniformity", "uniformity", "How evenly the sphere is used: 0 one point, near -4 even.", "", 2, ""),
        Metric(
            "effective_rank", "effective rank", "How many directions the features really use; 1 is collapse.", "", 1, ""
        ),
    )
    always = True

    def misfit(self, task: Task) -> Misfit | None:
        return Misfit("one vector alone has no shape", said=False) if len(task.cloud) < 2 else None

    def measure(self, features: Features, task: Task) -> Iterator[Measure]:
        vectors_NH = task.shape(features)
        yield Measure("uniformity", uniformity(vectors_NH))
        yield Measure("effective_rank", effective_rank(vectors_NH))
