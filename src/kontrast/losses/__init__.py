"""How surprised: losses as functions of embeddings, usable alone in any training loop.

    from kontrast import losses
    loss = losses.nt_xent(torch.stack([first_BD, second_BD]), temperature=0.1)

contrastive            nt_xent                          views among each other: one positive, many negatives
info_nce               info_nce                         the same in one direction: queries among keys
dclw                   dclw                             the same, decoupled, far positives pulling more
image_text             clip, siglip                     images and their texts
supervised             sup_con, margin                  labels say who belongs together
alignment_uniformity   alignment, uniformity            the two aims of all of these
clusters               swapped_prediction, sinkhorn     predict the other view's cluster
redundancy             barlow_twins                     no two dimensions say the same
regression             byol                             predict the other view
chance                 chance                           what each costs if all similarities are equal
explain                explain                          a small batch as a table, worked out by hand

Beneath, in `engine`: `candidates` (who is a negative), `tiled` and `tiles` (sums over blocks of rows), `small_batch`.
"""

from kontrast.losses.alignment_uniformity import alignment, uniformity
from kontrast.losses.chance import chance
from kontrast.losses.clusters import sinkhorn, swapped_prediction
from kontrast.losses.contrastive import nt_xent
from kontrast.losses.dclw import dclw
from kontrast.losses.engine.candidates import Guide
from kontrast.losses.explain import explain
from kontrast.losses.image_text import clip, siglip
from kontrast.losses.info_nce import info_nce
from kontrast.losses.redundancy import barlow_twins
from kontrast.losses.regression import byol
from kontrast.losses.supervised import margin, sup_con

__all__ = [
    "Guide",
    "alignment",
    "barlow_twins",
    "byol",
    "chance",
    "clip",
    "dclw",
    "explain",
    "info_nce",
    "margin",
    "nt_xent",
    "siglip",
    "sinkhorn",
    "sup_con",
    "swapped_prediction",
    "uniformity",
]
