"""A small batch worked out by hand: the table of similarities, who is positive, who is left out, and the loss.

    print(losses.explain("nt_xent", torch.stack([first_BD, second_BD]), temperature=0.5, ids_B=ids_B))

Written with plain loops and `math`, apart from the engine, so that it also checks it: `losses.by_hand` has the losses
that are no softmax over a table.

Shapes: N rows of the table, K columns, V views, B samples, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kontrast.losses import explain_by_hand
from kontrast.losses.contrastive import nt_xent
from kontrast.losses.image_text import clip
from kontrast.losses.info_nce import info_nce
from kontrast.losses.supervised import sup_con
from kontrast.similarity import Similarity, table

Marks = list[list[str]]  # of each row: "+" positive, "-" negative, "x" left out
ONE, TWO = ("nt_xent", "sup_con", "dclw", "uniformity"), ("info_nce", "clip", *explain_by_hand.OF_TWO)
LARGEST = 32  # rows of a table that can still be read


@torch.no_grad()
def explain(
    name: str,
    first: Tensor,
    second: Tensor | None = None,
    *,
    temperature: float = 0.1,
    similarity: Similarity | None = None,
    decoupled: bool = False,
    ids_B: Tensor | None = None,
    label_N: Tensor | None = None,
    similar_B: Tensor | None = None,
    off_diagonal_weight: float = 0.0051,
    bias: float = -10.0,
    margin: float = 1.0,
    exponent: float = 2.0,
    t: float = 2.0,
    sigma: float = 0.5,
) -> str:
    """The table of a small batch and the loss by hand, as text to print.

    first, second: what the loss takes. Views (V, B, D) alone: nt_xent, dclw; rows alone: sup_con with `label_N`,
    uniformity; queries and keys: info_nce; images and texts: clip, siglip; predictions and targets: byol; two views:
    barlow_twins, alignment; scores and codes: swapped_prediction; pairs: margin with `similar_B`.
    similarity: cosine if not said; of margin euclidean.

    In a softmax table each row shows similarity / temperature; `+` marks the positive, `-` a negative and `x` what is
    left out: the row itself, or the same id. The loss worked out here with plain arithmetic stands beside the
    library's value.
    """
    if name not in (*ONE, *TWO):
        raise ValueError(f"explain knows {', '.join((*ONE, *TWO))}, not {name!r}")
    if second is None and name in TWO:
        raise ValueError(f"{name} compares two tensors; only one was given")
    rows, columns = first.shape[-3:-1].numel() if name == "nt_xent" else first.shape[-2], first.shape[-2]
    if max(rows, columns if second is None else second.shape[-2]) > LARGEST:
        raise ValueError(f"a batch of shape {tuple(first.shape)} cannot be read; give explain at most {LARGEST} rows")
    kind: Similarity = similarity or "cosine"
    if name == "nt_xent":
        V, B, _ = first.shape
        loss = nt_xent(first, temperature=temperature, similarity=kind, decoupled=decoupled, ids_B=ids_B)
        ids = list(range(B)) if ids_B is None else ids_B.tolist()
        places = [(i, i % B) for i in range(V * B)]
        marks = [
            ["x" if i == j else "+" if b == c else "x" if ids[b] == ids[c] else "-" for j, c in places]
            for i, b in places
        ]
        row_ND = first.flatten(0, 1)
        return _softmax_table(table(row_ND, row_ND, kind) / temperature, marks, decoupled, float(loss))
    if name == "sup_con":
        if label_N is None:
            raise ValueError("sup_con takes its positives from label_N, which was not given")
        loss = sup_con(first, label_N, temperature=temperature, similarity=kind)
        labels = label_N.tolist()
        marks = [
            ["x" if i == j else "+" if a == b else "-" for j, b in enumerate(labels)] for i, a in enumerate(labels)
        ]
        return _softmax_table(table(first, first, kind) / temperature, marks, False, float(loss))
    if name == "dclw":
        return explain_by_hand.dclw(first, temperature, sigma, ids_B)
    if name == "uniformity":
        return explain_by_hand.uniformity(first, t)
    assert second is not None
    if name == "byol":
        return explain_by_hand.byol(first, second)
    if name == "barlow_twins":
        return explain_by_hand.barlow_twins(first, second, off_diagonal_weight)
    if name == "swapped_prediction":
        return explain_by_hand.swapped_prediction(first, second, temperature)
    if name == "alignment":
        return explain_by_hand.alignment(first, second, exponent)
    if name == "siglip":
        return explain_by_hand.siglip(first, second, temperature, bias, ids_B)
    if name == "margin":
        if similar_B is None:
            raise ValueError("margin takes who is similar from similar_B, which was not given")
        return explain_by_hand.margin(first, second, similar_B, margin, similarity or "euclidean")
    marks = [["+" if i == j else "-" for j in range(len(second))] for i in range(len(first))]
    if ids_B is not None:
        same = (ids_B[:, None] == ids_B).tolist()
        marks = [["x" if m == "-" and same[i][j] else m for j, m in enumerate(row)] for i, row in enumerate(marks)]
    logit_NK = table(first, second, kind) / temperature
    if name == "info_nce":
        loss = info_nce(
            first,
            second,
            temperature=temperature,
            similarity=kind,
            decoupled=decoupled,
            query_ids_Q=ids_B,
            key_ids_K=ids_B,
        )
        return _softmax_table(logit_NK, marks, decoupled, float(loss))
    loss = clip(first, second, temperature=temperature, similarity=kind, decoupled=decoupled, ids_B=ids_B)
    forth = _softmax_table(logit_NK, marks, decoupled, None)
    back = _softmax_table(logit_NK.T, [list(row) for row in zip(*marks)], decoupled, None)
    both = f"each image among the texts\n{forth}\n\neach text among the images\n{back}"
    return f"{both}\n\nclip: the mean of both, {float(loss):.4f}"


def _softmax_table(logit_NK: Tensor, marks: Marks, decoupled: bool, loss: float | None) -> str:
    """A line a row: logits and marks, and ln of the candidates' sum less the positive (the mean of several)."""
    lines, losses = [], []
    for i, (row, kinds) in enumerate(zip(logit_NK.tolist(), marks)):
        positives = [s for s, kind in zip(row, kinds) if kind == "+"]
        negatives = [s for s, kind in zip(row, kinds) if kind == "-"]
        cells = "  ".join(f"{s:6.2f}{kind}" for s, kind in zip(row, kinds))
        if not positives:
            lines.append(f"{i:4d}  {cells}   no positive: left out of the mean")
            continue
        candidates = negatives if decoupled else positives + negatives
        top = max(candidates, default=0.0)
        total = top + math.log(sum(math.exp(s - top) for s in candidates)) if candidates else 0.0
        mean = sum(positives) / len(positives)
        losses.append(total - mean if candidates else 0.0)
        lines.append(
            f"{i:4d}  {cells}   ln {len(candidates)} candidates {total:7.4f} - positive {mean:7.4f} = {losses[-1]:7.4f}"
        )
    line = f"mean {sum(losses) / max(1, len(losses)):.4f}" + ("" if loss is None else f"; the library: {loss:.4f}")
    return "\n".join([*lines, line])
