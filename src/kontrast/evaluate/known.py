"""How much of what features told can still be read from others: a test of forgetting that needs no labels.

The main directions of the first features (their first principal components) are read from the new ones by a ridge
regression, each half of the items from the other:

    known = R^2 of the new features / R^2 of the first features on themselves,    from 0 to 1

It does not change where features are turned or scaled, and falls where they lose what the first ones told apart.

Shapes: N items, F width of the first features, H of the new ones, D directions, M items of a half.
"""

from __future__ import annotations

import torch
from torch import Tensor

DIRECTIONS = 32  # principal components of the first features that are asked for
RIDGE = 1e-2  # times the mean squared length of the centred features


def known(first_NF: Tensor, new_NH: Tensor) -> float:
    """The share of the first features' main directions that the new ones still tell; 1 for the first ones themselves.

    Features that are not finite tell nothing. Raises ValueError for fewer than 4 items or other numbers of them.
    """
    if len(first_NF) != len(new_NH) or len(first_NF) < 4:
        raise ValueError(f"at least 4 items in both were expected, got {len(first_NF)} and {len(new_NH)}")
    if not bool(torch.isfinite(new_NH).all()):
        return 0.0
    centred_NF = first_NF.double() - first_NF.double().mean(0)
    _, _, directions_FF = torch.linalg.svd(centred_NF, full_matrices=False)
    target_ND = centred_NF @ directions_FF[:DIRECTIONS].T
    reached = _explained(first_NF, target_ND)
    return float((_explained(new_NH, target_ND) / reached.clamp(min=1e-12)).clamp(0, 1))


def _explained(read_NH: Tensor, target_ND: Tensor) -> Tensor:
    """R^2 of the target read from these features, each half fitted on the other."""
    read_NH = read_NH.double()
    even_N = torch.arange(len(read_NH)) % 2 == 0
    left = total = read_NH.new_zeros(())
    for fit, test in ((even_N, ~even_N), (~even_N, even_N)):
        mean_H, mean_D = read_NH[fit].mean(0), target_ND[fit].mean(0)
        x_MH, y_MD = read_NH[fit] - mean_H, target_ND[fit] - mean_D
        gram_MM = x_MH @ x_MH.T  # the dual form: as many unknowns as items, whatever the width
        ridge = RIDGE * gram_MM.diagonal().mean().clamp(min=1e-24)
        gram_MM = gram_MM + ridge * torch.eye(len(x_MH), dtype=x_MH.dtype)
        guess_MD = (read_NH[test] - mean_H) @ (x_MH.T @ torch.linalg.solve(gram_MM, y_MD))
        left = left + (target_ND[test] - mean_D - guess_MD).square().sum()
        total = total + (target_ND[test] - mean_D).square().sum()
    return 1 - left / total.clamp(min=1e-24)
