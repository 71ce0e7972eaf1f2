"""SupCon: all views of a group find each other among all views of the batch.

positives   every other view of the same group (`--same`)
encoder     that of the method it is laid over (simclr), with its projector
negatives   the views of all other groups in the batch
similarity  cosine, or what the method was given
loss        sup_con, the mean over positives outside the logarithm (L_out)

Khosla et al.: Supervised Contrastive Learning, NeurIPS 2020, arXiv:2004.11362.
Nobody names it: groups choose it where nothing is added to the batch's own negatives (`supervised.py`); else two views
of a group are a pair, as in every other method.
Left out: the paper's second stage, a classifier on frozen features.
"""

# Shapes: V views, B pictures, N = V B rows, D projector width.

from __future__ import annotations

from typing import Any

from kontrast import losses
from kontrast.methods.method import Embeddings, Outcome


def compare(z: Embeddings, config: Any) -> Outcome:
    """Every view against all others; those of its own group are its positives."""
    views_VBD = z["views"]
    (V, B), (start, stop, _) = views_VBD.shape[:2], z.rows.indices(views_VBD.shape[1])
    row_ND = views_VBD.transpose(0, 1).flatten(0, 1)
    name_N, mine = z.names_B.repeat_interleave(V), slice(V * start, V * stop)
    loss = losses.sup_con(row_ND, name_N, temperature=config.temperature, similarity=config.similarity, rows=mine)
    return Outcome(loss, losses.chance("sup_con", rows=V * B), z, (views_VBD[0].detach(), views_VBD[1].detach()))
