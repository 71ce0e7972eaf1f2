"""The linear probe without a learning rate: multinomial logistic regression, solved by L-BFGS.

    minimise over W, b   mean_n -log softmax(W x_n + b)[y_n]  +  decay / 2 * ||W||²      x: features, standardised

A probe trained by SGD measures its learning rate as much as the features (the papers use 0.1, 0.3, 30). This one has a
single number, the weight decay, and it is chosen on a held-out part of the bank, never on the test rows.
scikit-learn's `LogisticRegression(C=1 / (decay * N))` solves the same problem and agrees to 0.2 points.

Source: the protocol of CLIP (Radford et al. 2021, arXiv 2103.00020, A.3), with standardised features.

Shapes: N rows of the bank, Q queries, H feature width, C classes present in the bank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kontrast import progress
from kontrast.evaluate.knn import Vectors
from kontrast.evaluate.labelled import Draw, Labelled, largest_class
from kontrast.evaluate.protocol import Measure, Metric
from kontrast.evaluate.splits import ranked_in_class

DECAYS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # the grid, strongest first; each fit starts from the one before
CHOOSING_ROWS = 10_000  # rows of the bank at most that take part in choosing, so that it costs less than the last fit
UNCHOSEN_DECAY = 1e-2  # for banks too small to hold any row out
STEPS = 200  # L-BFGS iterations at most per fit
SETTLED = 1e-4  # the largest gradient entry at which a fit ends, as in scikit-learn


@dataclass(frozen=True)
class Probe:
    """A fitted linear classifier. `classes_C` names its outputs; `decay` was chosen as `held_out_accuracy` says."""

    weight_CH: Tensor
    bias_C: Tensor
    mean_H: Tensor
    scale_H: Tensor
    classes_C: Tensor
    decay: float
    held_out_accuracy: float | None

    def scores(self, query_QH: Vectors) -> Tensor:
        """Logits, (Q, C) fp32, in the order of `classes_C`."""
        query_QH = torch.as_tensor(query_QH).to(self.mean_H)
        return (query_QH - self.mean_H) / self.scale_H @ self.weight_CH.T + self.bias_C

    def predict(self, query_QH: Vectors) -> Tensor:
        """The likeliest class, (Q,) int64, on the CPU."""
        return self.classes_C[self.scores(query_QH).argmax(dim=1)].cpu()


def linear_probe(bank_NH: Vectors, label_N: Vectors, *, decay: float | None = None, seed: int = 0) -> Probe:
    """Fit the probe on a labelled bank, in fp32 on the bank's device. Chance is the share of the largest class.

    `decay=None` tries `DECAYS`: fits four fifths of every class (of at most 10,000 rows), takes the decay with the best
    accuracy on the rest (the strongest of equals), then fits all rows. Which rows are held out is keyed by `seed`.
    Raises ValueError for one class only or for labels that do not fit.
    """
    bank_NH = torch.as_tensor(bank_NH).float()
    label_N = torch.as_tensor(label_N).to(bank_NH.device).long()
    if len(label_N) != len(bank_NH):
        raise ValueError(f"label must have one entry per row of the bank ({len(bank_NH)}); got {len(label_N)}.")
    if not torch.isfinite(bank_NH).all():
        raise ValueError("bank holds numbers that are not finite; no classifier can be fitted to them.")
    classes_C, target_N = label_N.unique(return_inverse=True)
    if len(classes_C) < 2:
        raise ValueError(f"label must hold at least two classes; got {len(classes_C)}.")
    mean_H = bank_NH.double().mean(dim=0)
    scale_H = (bank_NH.double() - mean_H).square().mean(dim=0).sqrt()
    scale_H[scale_H <= 1e-7 * mean_H.abs()] = 1.0  # a constant feature stays constant
    scale_H[scale_H == 0] = 1.0
    x_NH = ((bank_NH - mean_H) / scale_H).float()

    held_out_accuracy = None
    start = torch.zeros(len(classes_C), x_NH.shape[1] + 1, device=x_NH.device)
    if decay is None:
        decay = UNCHOSEN_DECAY
        rank_N, count_N = ranked_in_class(target_N.cpu(), "held out", seed)
        part_N = (count_N * min(1.0, CHOOSING_ROWS / len(x_NH))).ceil().long()  # rows of each class that take part
        held_out_N = (rank_N < part_N // 5).to(x_NH.device)
        kept_N = (rank_N < part_N).to(x_NH.device) & ~held_out_N
        if held_out_N.any():
            decay, held_out_accuracy, start = _choose_decay(
                x_NH[kept_N], target_N[kept_N], x_NH[held_out_N], target_N[held_out_N], start
            )
    fitted = _fit(x_NH, target_N, decay, start)
    return Probe(fitted[:, :-1], fitted[:, -1], mean_H.float(), scale_H.float(), classes_C, decay, held_out_accuracy)


def _choose_decay(
    x_NH: Tensor, target_N: Tensor, query_QH: Tensor, answer_Q: Tensor, start: Tensor
) -> tuple[float, float, Tensor]:
    best = (DECAYS[0], -1.0, start)
    for decay in progress.passing(DECAYS, "linear probe: choosing its decay"):
        start = _fit(x_NH, target_N, decay, start)
        guess_Q = (query_QH @ start[:, :-1].T + start[:, -1]).argmax(dim=1)
        accuracy = (guess_Q == answer_Q).float().mean().item()
        if accuracy > best[1]:
            best = (decay, accuracy, start)
    return best


def _fit(x_NH: Tensor, target_N: Tensor, decay: float, start: Tensor) -> Tensor:
    """Weights and bias in one (C, H + 1) tensor."""
    solution = start.clone().requires_grad_()
    solver = torch.optim.LBFGS(
        [solution],
        max_iter=STEPS,
        max_eval=2 * STEPS,
        tolerance_grad=SETTLED,
        tolerance_change=0.0,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    steps = count()

    def objective() -> Tensor:
        progress.told("linear probe", next(steps), STEPS)
        solver.zero_grad()
        weight_CH, bias_C = solution[:, :-1], solution[:, -1]
        loss = cross_entropy(x_NH @ weight_CH.T + bias_C, target_N) + decay / 2 * weight_CH.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        solver.step(objective)
    return solution.detach()


def _probed(draw: Draw) -> Iterator[Measure]:
    guess_M = linear_probe(draw.bank_KH, draw.label_K, seed=draw.seed).predict(draw.test_MH)
    yield Measure("linear_top1", (guess_M == draw.answer_M).double().mean().item())


LINEAR = Labelled(
    "linear",
    (
        Metric(
            "linear_top1",
            "linear probe",
            "The best straight cut through the features, fitted on labelled items.",
            told="a linear classifier names the right class of {value}",
            decisive=True,
        ),
    ),
    _probed,
    largest_class,
)
