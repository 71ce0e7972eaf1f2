"""Several processes are one: the gradient of W processes is that of one process on the joined batch.

Both sides are given the same weights and the same memory before each step. What is compared: the loss, the whole
gradient, and all that the step leaves behind (queue, twin, prototypes, running statistics). One world of W processes
does it for all methods, and for every loss alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import losses
from kontrast.data.sampler import own_rows
from kontrast.distributed import gather, processes
from kontrast.methods.method import Progress
from kontrast.verify import multiprocess, tiny_methods
from kontrast.verify.findings import Finding

BOUNDS = {torch.float64: 1e-8, torch.float32: 1e-4}
LR = 0.05


def check(names: Sequence[str] = tiny_methods.NAMES, *, before: Callable[[], None] | None = None) -> list[Finding]:
    """Two and three processes against one, each method and each loss, in float64 and fp32."""
    findings = []
    answers = {
        count: multiprocess.begun(count, measure, tuple(names), before=before) for count in (2, 3)
    }  # side by side
    for count, answer in answers.items():
        for what, dtype, measured in answer():
            bound = BOUNDS[getattr(torch, dtype)]
            findings.append(Finding("gradients", f"{what}: {count} processes = 1, {dtype}", measured, bound))
    return findings


def measure(names: Sequence[str], steps: int = tiny_methods.STEPS) -> list[tuple[str, str, float]]:
    """In each process of a world: (what, dtype, the largest distance to one process over all steps)."""
    found = []
    for dtype in BOUNDS:
        word = str(dtype).removeprefix("torch.")
        found += [(name, word, apart(name, dtype, steps)) for name in names]
        found.append(("every loss", word, max(loss_apart(loss, dtype) for loss in LOSSES.values())))
    return found


def apart(name: str, dtype: torch.dtype, steps: int) -> float:
    """The largest distance of a run's losses, gradients and memory to those of one process given the same weights."""
    ours, one = tiny_methods.method(name, dtype), tiny_methods.method(name, dtype)
    worst = 0.0
    for step in range(steps):
        whole = tiny_methods.batch(name, step, dtype)
        part = tiny_methods.rows_of(whole, own_rows(tiny_methods.ROWS, gather.rank(), gather.processes()))
        one.load_state_dict(ours.state_dict())
        loss, gradient, memory = _step(ours, part)
        if gather.rank() == 0:
            with gather.alone():
                wanted_loss, wanted, left = _step(one, whole)
            worst = max(worst, tiny_methods.distance(gradient, wanted), tiny_methods.distance(memory, left))
            worst = max(worst, float(abs(loss - wanted_loss) / abs(wanted_loss).clamp(min=1e-3)))
        worst = max(worst, _disagreement({**gradient, **memory}))
    return worst


def _disagreement(mine: dict[str, Tensor]) -> float:
    """How far the other processes are from the first: they must hold the same gradient and memory."""
    flat_N = torch.cat([tensor.reshape(-1).double() for tensor in mine.values()])
    all_WN = gather.gather_rows(flat_N[None], dim=0)[0]
    return float((all_WN - all_WN[0]).norm() / all_WN[0].norm())


def _step(method: Any, batch: Any) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """One plain step: (loss, gradient, all buffers and twins afterwards)."""
    outcome = method.compare(method.embed(batch).joined())
    outcome.loss.backward()
    processes.sum_gradients([p for p in method.parameters() if p.grad is not None])
    gradient = tiny_methods.gradient(method)
    with torch.no_grad():
        for name, parameter in method.named_parameters():
            if name in gradient:
                parameter -= LR * gradient[name]
    method.after_step(outcome, Progress(batch.step + 1, batch.total))
    trained = {name for name, p in method.named_parameters() if p.requires_grad}
    memory = {name: value.clone() for name, value in method.state_dict().items() if name not in trained}
    return processes.summed(outcome.loss.detach()), gradient, memory


Loss = Callable[[Tensor, Tensor, Tensor, Tensor, slice], Tensor]  # (two views, ids, temperature, our rows) -> share
LOSSES: dict[str, Loss] = {
    "info_nce": lambda x, y, ids, t, rows: losses.info_nce(x, y, temperature=t, rows=rows),
    "info_nce decoupled": lambda x, y, ids, t, rows: losses.info_nce(
        x, y, temperature=t, decoupled=True, query_ids_Q=ids, key_ids_K=ids, rows=rows
    ),
    "nt_xent": lambda x, y, ids, t, rows: losses.nt_xent(torch.stack([x, y]), temperature=t, ids_B=ids, rows=rows),
    "nt_xent, three views": lambda x, y, ids, t, rows: losses.nt_xent(
        torch.stack([x, y, x - y]), temperature=t, decoupled=True, rows=rows
    ),
    "clip": lambda x, y, ids, t, rows: losses.clip(x, y, temperature=t, ids_B=ids, rows=rows),
    "siglip": lambda x, y, ids, t, rows: losses.siglip(x, y, temperature=t, bias=-t, rows=rows),
    "sup_con": lambda x, y, ids, t, rows: losses.sup_con(x * y, ids // 3, temperature=t, rows=rows),
    "margin": lambda x, y, ids, t, rows: losses.margin(x, y, ids % 2, rows=rows),
    "barlow_twins": lambda x, y, ids, t, rows: losses.barlow_twins(x, y, rows=rows),
    "byol": lambda x, y, ids, t, rows: losses.byol(x, y, rows=rows),
    "alignment": lambda x, y, ids, t, rows: losses.alignment(x, y, rows=rows),
    "uniformity": lambda x, y, ids, t, rows: losses.uniformity(x * y) / gather.processes(),
    "swapped_prediction": lambda x, y, ids, t, rows: losses.swapped_prediction(
        torch.stack([x, y]),
        torch.stack([losses.sinkhorn(x.detach()), losses.sinkhorn(y.detach())]),
        temperature=t,
        rows=rows,
    ),
}


def loss_apart(loss: Loss, dtype: torch.dtype) -> float:
    """The distance of a loss's gradients, of its rows and of a learned temperature, to those of one process."""
    whole = tiny_methods.batch("simclr", 3, dtype)
    vectors = [view.flatten(1) for view in whole.views]
    ids_B = whole.ids_B // 2
    rows = own_rows(len(ids_B), gather.rank(), gather.processes())
    with gather.alone():
        wanted = _gradients(loss, vectors, ids_B)
    ours = _gradients(loss, [vector[rows] for vector in vectors], ids_B[rows])
    processes.sum_gradients([p for p in ours if isinstance(p, nn.Parameter)])
    got = {str(i): torch.as_tensor(p.grad) for i, p in enumerate(ours)}
    right = {str(i): torch.as_tensor(p.grad) for i, p in enumerate(wanted)}
    for place in ("0", "1"):
        right[place] = right[place][rows]
    return processes.largest(tiny_methods.distance(got, right))[0]


def _gradients(loss: Loss, vectors: Sequence[Tensor], ids_B: Tensor) -> list[Tensor]:
    """The leaves, with gradient: the rows of both views, and the logarithm of the scale."""
    leaves: list[Tensor] = [vector.clone().requires_grad_() for vector in vectors]
    log_scale = nn.Parameter(leaves[0].new_tensor(1.2))
    joined = [gather.gather_rows(leaf, dim=0) for leaf in leaves]
    ids_B, rows = gather.gather_rows(ids_B, dim=0)
    loss(joined[0][0], joined[1][0], ids_B, torch.exp(-log_scale), rows).backward()
    if log_scale.grad is None:
        log_scale.grad = torch.zeros_like(log_scale)
    return [*leaves, log_scale]
