"""Margin: the two of a row that are alike come together, the two of any other row move a margin apart.

positives   the two of a row a, b, label that its label calls similar
encoder     that of the method it is laid over (simclr, simcse), with its head
negatives   the two of a row that its label calls dissimilar; each row is judged alone
similarity  cosine (the distance is then 1 - cosine, as in sentence-transformers) or euclidean
loss        margin

Hadsell, Chopra, LeCun: Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006; with sentence encoders:
arXiv:1908.10084. Nobody names it: rows with labels choose it (`supervised.py`).
Left out: the paper's siamese convolutional net.
"""

# Shapes: B rows of the table, D output width.

from __future__ import annotations

from typing import Any

from torch import Tensor

from kontrast import losses
from kontrast.methods.method import Embeddings, Outcome


def compare(z: Embeddings, config: Any) -> Outcome:
    """The distance of each two against their label; `config` has `margin` and `similarity`."""
    (a_BD, b_BD), similar_B = z["views"], z["similar"][:, 0] > 0
    found: dict[str, Tensor] = {}
    loss = losses.margin(
        a_BD, b_BD, similar_B, margin=config.margin, similarity=config.similarity, rows=z.rows, diagnostics=found
    )
    guessing = losses.chance("margin", similar=float(found["similar"]), margin=config.margin)
    return Outcome(loss, guessing, z, (a_BD.detach(), b_BD.detach()), found)
