"""CLIP: each picture must find its caption among all captions of the batch, and each caption its picture.

positives   a picture and its caption (one of its captions, if it has several)
encoder     two towers into one space; no head: the towers' own projections are kept
negatives   the other captions and pictures of the batch; equal captions and equal pictures are masked, not pushed apart
similarity  cosine, with a learned temperature
loss        clip: the mean of both directions' softmax (decoupled: without the positive in the denominator)

Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, arXiv:2103.00020.
Left out: half-precision weights, and the sharding of similarities over GPUs (kontrast's losses never store them).
"""

# Shapes: B pairs, T tokens, D embedding width.

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from kontrast import losses
from kontrast.encoders.clip_towers import Towers
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups
from kontrast.similarity import Similarity


@dataclass(frozen=True, kw_only=True)
class Config:
    """CLIP's own numbers; `--set NAME=VALUE` changes any of them."""

    temperature: float | None = None  # where learning begins; None = as the towers bring it: 0.07 if random [2.5]
    learned: bool = True  # paper, section 2.4: the temperature is learned with the towers
    largest_scale: float = 100.0  # paper, section 2.5: 1 / temperature is clipped there, after the step
    similarity: Similarity = "cosine"  # paper, section 2.3
    decoupled: bool = False  # True: the positive is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)
    text: str = ""  # text tower: "small", "clip" (the paper's) or a Hugging Face folder; "" = as the image tower is
    lock: str = ""  # "image", "text" or "image text": towers that stand still (LiT: Zhai et al. 2022, arXiv:2111.07991)


class CLIP(nn.Module):
    """The pseudocode of the paper's figure 3."""

    def __init__(self, encoder: Towers, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        if config.temperature is not None:
            nn.init.constant_(encoder.logit_scale, -math.log(config.temperature))
        encoder.logit_scale.requires_grad_(config.learned)
        encoder.lock(*config.lock.split())

    def temperature(self) -> Tensor:
        """exp(-logit_scale), a scalar with gradient, in float32 or wider."""
        scale = self.encoder.logit_scale
        return torch.exp(-scale.to(torch.promote_types(scale.dtype, torch.float32)))

    def embed(self, batch: Batch) -> Embeddings:
        """The two towers, each on its own half of the pair."""
        pixels_BChw, tokens = batch.views
        assert isinstance(pixels_BChw, Tensor) and isinstance(tokens, dict)
        image_BD = self.encoder(pixels_BChw)
        return Embeddings.of(batch, image_BD, image=image_BD, text=self.encoder.encode_text(tokens["input_ids"]))

    def compare(self, z: Embeddings) -> Outcome:
        """Every picture against every caption, both ways. `ids_B` names the picture, `groups_B` the caption."""
        c, temperature = self.config, self.temperature()
        loss = losses.clip(
            z["image"], z["text"], temperature=temperature, similarity=c.similarity, decoupled=c.decoupled,
            ids_B=z.ids_B, groups_B=z.groups_B, rows=z.rows,
        )  # fmt: skip
        guessing = losses.chance("clip", batch=len(z.ids_B), decoupled=c.decoupled, ids_B=z.ids_B, groups_B=z.groups_B)
        pair = (z["image"].detach(), z["text"].detach())
        return Outcome(loss, guessing, z, pair=pair, signs={"temperature": temperature.detach()})

    @torch.no_grad()
    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """Clip the logarithm of the scale to [0, ln 100], once the optimizer has moved it."""
        self.encoder.logit_scale.clamp_(0.0, math.log(self.config.largest_scale))

    def parameter_groups(self) -> list[Group]:
        """Weights decay; gains, biases and the temperature do not (paper, section 2.5)."""
        return groups(self)
