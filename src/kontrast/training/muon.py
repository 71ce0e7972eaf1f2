"""Muon: the momentum of a weight, made orthogonal before it is stepped along; Adam for everything that is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw

QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan 2024: chosen to be steep at 0, so that five rounds are enough
ROUNDS = 5


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum for the weights (Jordan 2024), AdamW for biases, norms and all that has adapt=False.

    With a weight p of A outputs seen as a matrix (A, B), its gradient g, decay w, momentum m and learning rate lr:

        v = m v + (1 - m) g;   u = m v + (1 - m) g, by the new v;   p -= lr (w p + 0.2 sqrt(max(A, B)) orthogonal(u))

    Every direction of a weight moves by the same amount, however small its gradient: a net learns in few steps what
    its loudest directions would drown. 0.2 sqrt(max(A, B)) gives the update the size that Adam's have, so one rate
    serves both (Liu et al. 2025). torch.optim.Muon with adjust_lr_fn="match_rms_adamw" is the same rule for linear
    layers alone, in bf16; this one takes convolutions and computes in the weight's own dtype, because a processor
    without bf16 would be slower by it. Embedding tables are no such matrices: prefer AdamW for texts.
    Sources: kellerjordan.github.io/posts/muon; Muon is Scalable for LLM Training, arXiv:2502.16982, section 2.2.
    """

    def __init__(
        self,
        params: Sequence[dict[str, object]],
        *,
        lr: float,
        momentum: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0.0, "adapt": True})
        self.momentum, self.betas, self.eps = momentum, betas, eps
        for group in self.param_groups:
            for p in group["params"]:
                names = ("momentum_buffer",) if _is_matrix(p, group["adapt"]) else ("exp_avg", "exp_avg_sq")
                self.state[p] = {name: torch.zeros_like(p) for name in names}
                if len(names) == 2:
                    self.state[p]["step"] = torch.zeros((), dtype=torch.float32, device=p.device)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step, without waiting for the device."""
        if closure is not None:
            raise ValueError("Muon takes no closure: compute the gradients, then call step().")
        for group in self.param_groups:
            others: list[Tensor] = []
            for p in (p for p in group["params"] if p.grad is not None):
                if not _is_matrix(p, group["adapt"]):
                    others.append(p)
                    continue
                velocity = self.state[p]["momentum_buffer"].lerp_(p.grad, 1 - self.momentum)
                update_AB = p.grad.lerp(velocity, self.momentum).flatten(1)
                size = 0.2 * max(update_AB.shape) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(orthogonal(update_AB).reshape(p.shape), alpha=-group["lr"] * size)
            kept = {name: [self.state[p][name] for p in others] for name in ("exp_avg", "exp_avg_sq", "step")}
            adamw(
                others, [p.grad for p in others if p.grad is not None], kept["exp_avg"], kept["exp_avg_sq"], [],
                kept["step"], fused=True, amsgrad=False, beta1=self.betas[0], beta2=self.betas[1], lr=group["lr"],
                weight_decay=group["weight_decay"], eps=self.eps, maximize=False,
            )  # fmt: skip


def orthogonal(matrix_AB: Tensor) -> Tensor:
    """About U V' of the singular value decomposition U S V': same directions, sizes between 0.68 and 1.21.

    Five rounds of x = a x + b (x x') x + c (x x')^2 x from x = matrix / |matrix|; a zero matrix stays zero. Where S is
    below 3 thousandths of |matrix| it is raised about 500 times, and not to one.
    """
    a, b, c = QUINTIC
    x: Tensor = matrix_AB / matrix_AB.norm().clamp(min=1e-30)
    if tall := len(x) > x.shape[1]:  # the smaller square, and its powers, are the work
        x = x.T
    for _ in range(ROUNDS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


def _is_matrix(p: Tensor, adapt: bool) -> bool:
    return adapt and p.ndim > 1
