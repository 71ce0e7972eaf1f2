"""CLIP: each picture must find its caption among all captions of the batch, and each caption its picture.

positives   a picture and its caption (one of its captions, if it has several)
encoder     two towers into one space; no head: the towers' own projections are kept
negatives   the other captions and pictures of the batch, equal ones masked, and what `--negatives` adds: with rules:...
            captions changed by rule, for pictures only, with gradient (NegCLIP: Yuksekgonul 2023, arXiv:2210.01936)
similarity  cosine, with a learned temperature
loss        clip: the mean of both directions' softmax (decoupled: without the positive in the denominator); or siglip

Radford et al.: Learning Transferable Visual Models From Natural Language Supervision, ICML 2021, arXiv:2103.00020.
Left out: half-precision weights, and similarities sharded over GPUs (kontrast's losses never store them).
Shapes: B pairs, T tokens, D embedding width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import losses
from kontrast.encoders.clip import locked
from kontrast.encoders.clip.towers import Towers
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups
from kontrast.negatives import in_batch, parsed
from kontrast.negatives.extra import Extra, Keys
from kontrast.similarity import Similarity


@dataclass(frozen=True, kw_only=True)
class Config:
    """CLIP's own numbers; `--set NAME=VALUE` changes any of them."""

    temperature: float | None = None  # where learning begins; None = as the towers bring it: 0.07 if random [2.5]
    learned: bool = True  # paper, section 2.4: the temperature is learned with the towers
    largest_scale: float = 100.0  # paper, section 2.5: 1 / temperature is clipped there, after the step
    similarity: Similarity = "cosine"  # paper, section 2.3
    decoupled: bool = False  # True: the positive is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)
    loss: str = "softmax"  # "sigmoid": each pair is judged alone, with a learned bias (SigLIP, arXiv:2303.15343)
    text: str = ""  # text tower: "small", "clip" (the paper's) or a Hugging Face folder; "" = as the image tower is
    negatives: str = ""  # what is added to the batch's own, such as queue:4096; the paper adds nothing
    looks: int = 0  # kontrast: a locked picture tower reads so many looks at each picture, once; 0: one in each step
    drop: float = 0.0  # kontrast: share of what a locked picture tower has read, hidden from its projection (dropout)
    drop_text: float = 0.0  # kontrast: the same of a locked text tower
    lock: str = ""  # "image", "text" or "image text": towers that stand still (LiT: Zhai et al. 2022, arXiv:2111.07991)


class CLIP(nn.Module):
    """The pseudocode of the paper's figure 3."""

    def __init__(self, encoder: Towers, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        if config.loss not in ("softmax", "sigmoid"):
            raise ValueError(f"loss must be softmax or sigmoid, got {config.loss!r}")
        self.config, self.encoder, more = config, encoder, parsed(config.negatives)
        if config.loss == "sigmoid":
            encoder.judge_alone()
            if config.negatives or config.decoupled or config.similarity != "cosine":
                raise ValueError("loss=sigmoid judges pairs by cosine, each alone: no negatives, nothing decoupled")
        if config.temperature is not None:
            nn.init.constant_(encoder.logit_scale, -math.log(config.temperature))
        encoder.logit_scale.requires_grad_(config.learned)
        encoder.lock(*config.lock.split())
        self.hides = locked.rates(encoder, image=config.drop, text=config.drop_text)
        self.texts, self.images = (Extra(more, width, config.similarity, seed=seed + side) for side in (0, 1))

    def temperature(self) -> Tensor:
        """exp(-logit_scale), a scalar with gradient, in float32 or wider."""
        scale = self.encoder.logit_scale
        return torch.exp(-scale.to(torch.promote_types(scale.dtype, torch.float32)))

    def embed(self, batch: Batch) -> Embeddings:
        """The two towers, each on its own half of the pair."""
        pixels_BChw, tokens = batch.views
        assert isinstance(pixels_BChw, Tensor) and isinstance(tokens, dict)
        seen = {"image": pixels_BChw, "text": tokens["read" if "read" in tokens else "input_ids"]}
        seen = locked.hidden(self.encoder, seen, self.hides, (batch.seed, batch.step, batch.ids_B))
        roles = {"image": self.encoder(seen["image"]), "text": self.encoder.encode_text(seen["text"])}
        if batch.others is not None:
            roles["others"] = self.encoder.encode_text(batch.others.views[0]["input_ids"])
        return Embeddings.of(batch, roles["image"], **roles)

    def compare(self, z: Embeddings) -> Outcome:
        """Every picture against every caption, both ways. `ids_B` names the picture, `groups_B` the caption."""
        c, temperature, diagnostics = self.config, self.temperature(), self.texts.diagnostics(z.step)
        how: dict[str, Any] = {
            "temperature": temperature, "similarity": c.similarity, "decoupled": c.decoupled, "rows": z.rows,
            "diagnostics": diagnostics, "guide": self.texts.guide(z.roles.get("guide")), **self.texts.hardness,
        }  # fmt: skip
        ids: dict[str, Any] = {"ids_B": z.ids_B, "groups_B": z.groups_B}
        if c.loss == "sigmoid":
            bias = self.encoder.logit_bias
            assert bias is not None
            loss = losses.siglip(z["image"], z["text"], temperature=temperature, bias=bias, rows=z.rows, **ids)
            guessing = losses.chance("siglip", batch=len(z.ids_B), bias=float(bias.detach()), **ids)
        elif not self.texts.adds and z.others is None:
            loss = losses.clip(z["image"], z["text"], **ids, **how)
            guessing = losses.chance("clip", batch=len(z.ids_B), decoupled=c.decoupled, guide=how["guide"], **ids)
        else:
            ways = ((z["image"], z["text"], self.texts, z.others), (z["text"], z["image"], self.images, None))
            loss, guessing = (sum(parts) / 2 for parts in zip(*(self._one_way(z, *way, how) for way in ways)))
        diagnostics = diagnostics | {"temperature": temperature.detach()}
        return Outcome(loss, guessing, z, pair=(z["image"].detach(), z["text"].detach()), diagnostics=diagnostics)

    def _one_way(
        self, z: Embeddings, query_BD: Tensor, key_BD: Tensor, extra: Extra, drawn: Keys | None, how: dict[str, Any]
    ) -> tuple[Tensor, float]:
        """With more negatives: queries among the batch's keys and, of the keys' own kind, what is added or `drawn`."""
        more = extra(query_BD, z.names_B, (z.seed, z.step), drawn=drawn, batch=(key_BD, z.names_B))
        loss = losses.info_nce(
            query_BD, key_BD, query_ids_Q=z.names_B, key_ids_K=z.names_B, query_groups_Q=z.ids_B, key_groups_K=z.ids_B,
            **more.for_loss, **how,
        )  # fmt: skip
        count_B = in_batch.others(z.names_B, pair_B=z.ids_B, guide=how["guide"]) + more.count_B
        return loss, in_batch.guessing(count_B, decoupled=self.config.decoupled)

    @torch.no_grad()
    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """Clip the logarithm of the scale to [0, ln 100], once the optimizer has moved it."""
        self.encoder.logit_scale.clamp_(0.0, math.log(self.config.largest_scale))
        z = outcome.embeddings
        self.texts.push(z["text"], z.names_B, z.step)
        self.images.push(z["image"], z.names_B, z.step)

    def parameter_groups(self) -> list[Group]:
        """Weights decay; gains, biases and the temperature do not (section 2.5)."""
        return groups(self)
