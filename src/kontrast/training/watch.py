"""The watch: numbers that show collapse, and the verdict in words.

Of the projector's output (what the loss sees), unit rows u (B, D):

    spread          mean over dimensions of std(u_d) * sqrt(D): 1 when the directions fill the sphere, 0 when all agree
    effective rank  exp(entropy of the singular values of u, not centred) (RankMe, arXiv:2210.02885)
    mean cosine     between different rows;  uniformity  ln mean exp(-2 |u_i - u_j|^2): 0 collapsed, about -4 spread

The verdict is taken from the projector. The encoder's own numbers are shown relative to step 0: a healthy encoder can
have a mean cosine of 0.9 (ReLU features share a direction), a collapsed one can look fine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kontrast.distributed import processes
from kontrast.methods.method import Outcome
from kontrast.training import scored_pairs

COLLAPSED = 0.1  # share of the healthy spread; a mean cosine above 0.99
NARROW, FEW = 0.7, 3.0  # the same in few directions: share of the healthy spread, effective rank. A BatchNorm at the
# end keeps some spread: BYOL without stop-gradient has 0.4 and 1.8; healthy 1.0 and 20 on digits, 1.0 and 9 on CIFAR-10
WARM = 0.05  # share of the run (and at least PATIENCE looks) before the verdict may accuse
PATIENCE = 3  # looks in a row
ONE_KEY = 1.01  # queue rank: 1 of one key; 1.2 where a healthy MoCo begins on CIFAR-10, whose first outputs are alike
REDUNDANT = 0.3  # mean squared correlation: 0.06 in a healthy Barlow Twins run on digits, 0.65 without its weight


def spread(unit_BD: Tensor) -> float:
    """Mean standard deviation of the coordinates of unit rows; isotropic rows have 1/sqrt(D)."""
    return float((unit_BD - unit_BD.mean(0)).square().mean(0).sqrt().mean())  # ten times as fast as Tensor.std


def effective_rank(unit_BD: Tensor) -> float:
    """exp of the entropy of the normalised singular values: between 1 and min(B, D)."""
    gram = unit_BD.T @ unit_BD if unit_BD.shape[0] >= unit_BD.shape[1] else unit_BD @ unit_BD.T
    values = torch.linalg.eigvalsh(gram.double()).clamp(min=0).sqrt()
    share = values / values.sum().clamp(min=1e-12) + 1e-7
    return float(torch.exp(-(share * share.log()).sum()))


def mean_cosine(unit_BD: Tensor) -> float:
    """Mean cosine of two different rows."""
    rows = len(unit_BD)
    return float((unit_BD.sum(dim=0).square().sum() - rows) / (rows * (rows - 1)))


def uniformity(unit_BD: Tensor) -> float:
    """ln of the mean over pairs of exp(-2 |u_i - u_j|^2) (arXiv:2005.10242)."""
    wide_BD, rows = unit_BD.double(), len(unit_BD)
    close_BB = (wide_BD @ wide_BD.T).sub_(1).mul_(4).exp_().fill_diagonal_(0)  # |u_i - u_j|^2 = 2 - 2 <u_i, u_j>
    return math.log(float(close_BB.sum()) / (rows * (rows - 1)))


def unit(rows_BD: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows_BD.float(), dim=1)


@dataclass
class Watch:
    """Looks at outcomes while training and says at the end, in a sentence, what it saw."""

    steps: int
    encoder_start: dict[str, float] = field(default_factory=dict)
    bad_looks: int = 0  # in a row, at outputs that point the same way
    accused_looks: int = 0  # in a row, at which the method's own diagnostics accuse
    warned: list[str] = field(default_factory=list)  # first words of what was said already
    last: dict[str, float] = field(default_factory=dict)

    @torch.no_grad()
    def look(self, outcome: Outcome) -> dict[str, float]:
        """The numbers of one step, as they go into the log."""
        rows = slice(0, 1024)  # enough for every number; keeps the look cheap at any batch size
        z = outcome.embeddings
        first_BD = unit(outcome.pair[0])[rows]
        features_BH = unit(z.features_BH)[rows]
        mine = scored_pairs.together(z)
        partners = [side[mine][rows] for side in (*outcome.pair, *([] if z.groups_B is None else [z.groups_B]))]
        row = {
            "loss": float(processes.summed(outcome.loss.detach())),
            **({} if outcome.guessing is None else {"guessing": outcome.guessing}),
            "retrieval_at_1": float(retrieval_at_1(*partners)),
            "retrieval_chance": 1.0 / max(1, len(partners[0])),
            "spread": spread(first_BD),
            "healthy_spread": 1.0 / math.sqrt(first_BD.shape[1]),
            "effective_rank": effective_rank(first_BD),
            "mean_cosine": mean_cosine(first_BD),
            "uniformity": uniformity(first_BD),
            "encoder_spread": spread(features_BH),
            "encoder_effective_rank": effective_rank(features_BH),
        } | {name: float(value) for name, value in outcome.diagnostics.items()}
        self.note(row)
        return row

    def note(self, row: dict[str, float]) -> None:
        """Take in a row: the one just looked at, or one of an earlier log."""
        if not self.encoder_start:
            self.encoder_start = {name: row[name] for name in ("encoder_spread", "encoder_effective_rank")}
        compared = row.get("contrast", 1.0) > 0  # masked words alone pull nothing apart
        share = row["spread"] / row["healthy_spread"]
        narrow = share < NARROW and row["effective_rank"] < min(FEW, 0.1 * row["healthy_spread"] ** -2)
        collapsed = compared and (share < COLLAPSED or narrow)
        if scored_pairs.labelled(row):
            collapsed = scored_pairs.one_point(row)
        self.bad_looks = self.bad_looks + 1 if collapsed else 0
        self.accused_looks = self.accused_looks + 1 if own_diagnostics(row) else 0
        self.last = row

    def collapsed(self, step: int) -> bool:
        """True when the outputs have pointed the same way for several looks, after the first share of the run."""
        return self.bad_looks >= PATIENCE and step >= WARM * self.steps

    def accused(self, step: int) -> bool:
        """The same for the method's own diagnostics."""
        return self.accused_looks >= PATIENCE and step >= WARM * self.steps

    def verdict(self, step: int) -> str:
        """What the watch thinks, in a sentence."""
        return sentence(self.last, self.collapsed(step), self.accused(step))

    def warning(self, step: int) -> str:
        """The verdict, when it first accuses; else nothing. Said at once, and once: the run goes on."""
        if not (self.collapsed(step) or self.accused(step)):
            return ""
        told = self.verdict(step)
        word = told.partition(":")[0]
        if word in self.warned:
            return ""
        self.warned.append(word)
        return told

    def state(self) -> dict[str, object]:
        """What a checkpoint must keep so that a resumed run says the same."""
        return {
            "encoder_start": self.encoder_start,
            "bad_looks": self.bad_looks,
            "accused_looks": self.accused_looks,
            "warned": self.warned,
            "last": self.last,
        }


def own_diagnostics(row: Mapping[str, float]) -> str:
    """What a method's own numbers accuse, or nothing. Healthy runs are far from each limit (measured)."""
    if row.get("prototypes_in_use", 3.0) <= 2:
        return (
            f"one cluster: all pictures fall to {row['prototypes_in_use']:.0f} of the prototypes. Usual causes: codes "
            "that are not shared out evenly (Sinkhorn left out), an epsilon that is too large."
        )
    if row.get("queue_fill", 0.0) == 1.0 and row["queue_rank"] < ONE_KEY:
        return (
            f"poor queue: its keys take {row['queue_rank']:.2f} directions, so every row is told from the same key. "
            "Usual causes: the queue is filled with one key, a twin that has collapsed."
        )
    if abs(row.get("predictor_gain", 1.0)) < 1e-6:
        return "no predictor: predictions are no nearer to the targets than projections are. Is the predictor left out?"
    redundancy = row.get("off_diagonal", 0.0) / max(1.0, row["healthy_spread"] ** -2 - 1)  # mean C_ij^2
    if redundancy > REDUNDANT:
        return (
            f"redundant: two features share {redundancy:.0%} of their variance, in the mean over pairs. Usual cause: "
            "off_diagonal_weight is 0 or too small."
        )
    return ""


def sentence(row: Mapping[str, float], collapsed: bool, accused: bool) -> str:
    """The verdict on one log row."""
    if not row:
        return "nothing was trained"
    if row.get("contrast") == 0.0:
        fell = f"the loss is {row['loss']:.2f}, that of pure guessing {row['guessing']:.2f}"
        if row["loss"] > 0.99 * row["guessing"]:
            return f"guessing: {fell}. Usual causes: a learning rate that is too low or too high."
        return f"masked words alone: {fell}; sentences were not compared, so their spread says nothing"
    if scored_pairs.labelled(row):
        return scored_pairs.sentence(row, collapsed)
    numbers = f"spread {row['spread']:.3f}, healthy about {row['healthy_spread']:.3f}"
    if collapsed:
        return (
            f"collapsed: all outputs point the same way ({numbers}; {row['effective_rank']:.1f} directions). "
            "Usual causes: views that are all alike, a learning rate that is too high, a stop-gradient that was "
            "removed."
        )
    if accused:
        return f"{own_diagnostics(row)} ({numbers})"
    if row["loss"] > 0.99 * row.get("guessing", math.inf) and row["retrieval_at_1"] < 3 * row["retrieval_chance"]:
        return (
            f"guessing: the loss {row['loss']:.2f} is that of pure guessing ({row['guessing']:.2f}) and the two views "
            "of a sample do not find each other. Usual causes: a learning rate that is too low or too high, a frozen "
            "encoder, views that share nothing."
        )
    return (
        f"healthy: outputs are spread out ({numbers}), and {row['retrieval_at_1']:.0%} of the samples find their own "
        f"other view in the batch (chance {row['retrieval_chance']:.1%})"
    )


def retrieval_at_1(first_BD: Tensor, second_BD: Tensor, same_B: Tensor | None = None) -> Tensor:
    """Share of rows whose nearest second view, by cosine, is their own. Chance is 1 / B.

    same_B: integer names of the rows; equal names (equal captions) count as hits. A tie with the own one counts as a
    miss, so that a collapsed encoder scores 0 and not 1.
    """
    unit = torch.nn.functional.normalize
    if not len(first_BD):
        return torch.zeros(())
    similarity_BB = unit(first_BD.float(), dim=-1) @ unit(second_BD.float(), dim=-1).T
    own = torch.eye(len(first_BD), dtype=torch.bool, device=first_BD.device)
    if same_B is not None:
        own = own | (same_B[:, None] == same_B[None, :])
    best_own = similarity_BB.masked_fill(~own, -2.0).amax(dim=1)
    best_other = similarity_BB.masked_fill(own, -2.0).amax(dim=1)
    return (best_own > best_other).float().mean()
