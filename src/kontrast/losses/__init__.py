"""How surprised: losses as functions of embeddings, usable alone in any training loop.

from kontrast import losses
loss = losses.nt_xent(torch.stack([first_BD, second_BD]), temperature=0.1)
"""

from kontrast.losses.candidates import Guide
from kontrast.losses.clusters import sinkhorn, swapped_prediction
from kontrast.losses.contrastive import info_nce, nt_xent
from kontrast.losses.guessing import chance
from kontrast.losses.pairs import clip
from kontrast.losses.redundancy import barlow_twins
from kontrast.losses.regression import byol

__all__ = ["Guide", "barlow_twins", "byol", "chance", "clip", "info_nce", "nt_xent", "sinkhorn", "swapped_prediction"]
