"""A small batch worked out by hand: the table of similarities, who is positive, who is left out, and the loss.

    print(losses.explain("nt_xent", torch.stack([first_BD, second_BD]), temperature=0.5, ids_B=ids_B))

Written with plain loops and `math`, apart from the engine, so that it also checks it.

Shapes: N rows of the table, K columns, V views, B samples, D width.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from kontrast.losses.clusters import swapped_prediction
from kontrast.losses.contrastive import info_nce, nt_xent
from kontrast.losses.pairs import clip
from kontrast.losses.redundancy import barlow_twins, standardised
from kontrast.losses.regression import byol
from kontrast.similarity import Similarity, pairwise, table

Explained = Literal["nt_xent", "info_nce", "clip", "byol", "barlow_twins", "swapped_prediction"]
LARGEST = 32  # rows of a table that can still be read


@torch.no_grad()
def explain(
    name: Explained,
    first: Tensor,
    second: Tensor | None = None,
    *,
    temperature: float = 0.1,
    similarity: Similarity = "cosine",
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    off_diagonal_weight: float = 0.0051,
) -> str:
    """The table of a small batch and the loss by hand, as text to print.

    first, second: what the loss takes. nt_xent: views (V, B, D) alone; info_nce: queries and keys; clip: images and
    texts; byol: predictions and targets; barlow_twins: the two views; swapped_prediction: scores and codes.

    In a softmax table each row shows similarity / temperature; `+` marks the positive, `-` a negative and `x` what is
    left out: the row itself, or the same id. "loss" is worked out here with plain arithmetic and stands beside the
    library's value.
    """
    if name == "nt_xent":
        V, B, _ = first.shape
        loss = nt_xent(first, temperature=temperature, similarity=similarity, decoupled=decoupled, ids_B=ids_B)
        ids = list(range(B)) if ids_B is None else ids_B.tolist()
        row_ND = first.flatten(0, 1)
        kinds = [
            [
                "x" if i == j else "+" if i % B == j % B else "x" if ids[i % B] == ids[j % B] else "-"
                for j in range(V * B)
            ]
            for i in range(V * B)
        ]
        return _softmax_table(table(row_ND, row_ND, similarity) / temperature, kinds, decoupled, float(loss))
    if second is None:
        raise ValueError(f"{name} compares two tensors; only one was given")
    if name in ("info_nce", "clip"):
        kinds = [["+" if i == j else "-" for j in range(len(second))] for i in range(len(first))]
        if ids_B is not None:
            same = (ids_B[:, None] == ids_B).tolist()
            kinds = [
                ["x" if kind == "-" and same[i][j] else kind for j, kind in enumerate(row)]
                for i, row in enumerate(kinds)
            ]
        logit_NK = table(first, second, similarity) / temperature
        if name == "info_nce":
            loss = info_nce(
                first, second, temperature=temperature, similarity=similarity, decoupled=decoupled,
                query_ids_Q=ids_B, key_ids_K=ids_B,
            )  # fmt: skip
            return _softmax_table(logit_NK, kinds, decoupled, float(loss))
        loss = clip(first, second, temperature=temperature, similarity=similarity, decoupled=decoupled, ids_B=ids_B)
        forth = _softmax_table(logit_NK, kinds, decoupled, None)
        back = _softmax_table(logit_NK.T, [list(row) for row in zip(*kinds)], decoupled, None)
        both = f"each image among the texts\n{forth}\n\neach text among the images\n{back}"
        return f"{both}\n\nclip: the mean of both, {float(loss):.4f}"
    if name == "byol":
        cosine_B = pairwise(first, second).tolist()
        lines = [f"{b:4d}  cos {cosine:7.4f}   2 - 2 cos {2 - 2 * cosine:7.4f}" for b, cosine in enumerate(cosine_B)]
        return "\n".join([*lines, f"byol: their mean, {float(byol(first, second)):.4f}; orthogonal would cost 2"])
    if name == "barlow_twins":
        cross_DD = standardised(first).T @ standardised(second) / len(first)
        lines = ["  ".join(f"{entry:6.3f}" for entry in row) for row in cross_DD.tolist()]
        on = sum((row[i] - 1) ** 2 for i, row in enumerate(cross_DD.tolist()))
        off = sum(entry**2 for i, row in enumerate(cross_DD.tolist()) for j, entry in enumerate(row) if i != j)
        loss = barlow_twins(first, second, off_diagonal_weight=off_diagonal_weight)
        total = on + off_diagonal_weight * off
        said = f"on the diagonal {on:.4f} + {off_diagonal_weight} x off the diagonal {off:.4f} = {total:.4f}"
        return "\n".join(
            ["correlation of the two views' dimensions", *lines, f"{said}; barlow_twins: {float(loss):.4f}"]
        )
    if name == "swapped_prediction":
        loss = swapped_prediction(first, second, temperature=temperature)
        lines = []
        for a, code_BK in enumerate(second):
            for v, score_BK in enumerate(first):
                if v != a:
                    cross_B = -(code_BK * (score_BK / temperature).log_softmax(-1)).sum(-1)
                    lines.append(
                        f"view {v} predicts the code of view {a}: " + "  ".join(f"{x:.4f}" for x in cross_B.tolist())
                    )
        return "\n".join(
            [*lines, f"swapped_prediction: their mean, {float(loss):.4f}; guessing {math.log(first.shape[-1]):.4f}"]
        )
    raise ValueError(f"explain knows nt_xent, info_nce, clip, byol, barlow_twins and swapped_prediction, not {name!r}")


def _softmax_table(logit_NK: Tensor, kinds: list[list[str]], decoupled: bool, loss: float | None) -> str:
    if max(logit_NK.shape) > LARGEST:
        raise ValueError(
            f"a table of {tuple(logit_NK.shape)} cannot be read; give explain at most {LARGEST} rows and columns"
        )
    lines, losses = [], []
    for i, (row, marks) in enumerate(zip(logit_NK.tolist(), kinds)):
        positives = [s for s, mark in zip(row, marks) if mark == "+"]
        negatives = [s for s, mark in zip(row, marks) if mark == "-"]
        candidates = negatives if decoupled else positives + negatives
        top = max(candidates, default=0.0)
        total = top + math.log(sum(math.exp(s - top) for s in candidates)) if candidates else 0.0
        mean = sum(positives) / len(positives)
        losses.append(total - mean if candidates else 0.0)
        cells = "  ".join(f"{s:6.2f}{mark}" for s, mark in zip(row, marks))
        lines.append(
            f"{i:4d}  {cells}   ln {len(candidates)} candidates {total:7.4f} - positive {mean:7.4f} = {losses[-1]:7.4f}"
        )
    said = f"mean {sum(losses) / len(losses):.4f}" + ("" if loss is None else f"; the library: {loss:.4f}")
    return "\n".join([*lines, said])
