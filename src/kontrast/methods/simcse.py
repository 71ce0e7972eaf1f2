"""SimCSE: a sentence must find its positive, often itself under another dropout mask, among those of the batch.

positives   the same sentence with other dropout masks (unsupervised), an edited copy, or a given partner (entailment)
encoder     a pretrained language model; its output is the first token or the mean over tokens
negatives   the other sentences in the batch; given hard negatives of all rows, the own one weighted
similarity  cosine
loss        info_nce, one direction

Gao, Yao, Chen: SimCSE: Simple Contrastive Learning of Sentence Embeddings, EMNLP 2021, arXiv:2104.08821.
It needs a pretrained language model: from random weights dropout alone teaches little (the authors say so, too). For
that, `contrast=0 mlm=1` trains on masked words alone.
Left out: the authors' prompt-based variants; their gather without gradient (ours has the gradient of one process).
"""

# Shapes: V views, B sentences, H encoder width, K keys. Views: sentence, positive and, where given, hard negative.

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kontrast import losses
from kontrast.encoders import heads
from kontrast.encoders.text import masked_words
from kontrast.encoders.text.dropout import row_keys
from kontrast.encoders.text.encoder import TextEncoder, pooled, together
from kontrast.methods.method import Batch, Embeddings, Group, Outcome, Progress, groups
from kontrast.negatives import in_batch
from kontrast.negatives.extra import Extra
from kontrast.similarity import Similarity, pairwise


@dataclass(frozen=True, kw_only=True)
class Config:
    """SimCSE's own numbers; `--set NAME=VALUE` changes any of them."""

    temperature: float = 0.05  # paper, section 3.1
    similarity: Similarity = "cosine"  # paper, equation 1
    decoupled: bool = False  # True: the positive is left out of the denominator (Yeh et al. 2021, arXiv:2110.06848)
    head: str = "auto"  # mlp: Linear and tanh, while training (paper, 6.3); none; auto: mlp after cls-before-pooler
    hard_weight: float = 0.0  # ln(alpha), added to the own hard negative's logit; paper, section 6.3
    margin: float = 1.0  # rows a, b, label: dissimilar ones are pushed so far apart (Hadsell et al., CVPR 2006)
    contrast: float = 1.0  # weight of the contrastive loss; 0: masked words alone
    mlm: float = 0.0  # weight of masked words; paper: 0.1 for transfer tasks, off for similarity
    negatives: str = ""  # what is added to the batch's own, such as queue:4096; the paper adds nothing


class SimCSE(nn.Module):
    """Both passes of a sentence, its positive and its hard negative go through the encoder in one forward pass."""

    def __init__(self, encoder: TextEncoder, width: int, config: Config = Config(), *, seed: int = 0) -> None:
        super().__init__()
        if config.head not in ("auto", "mlp", "none"):
            raise ValueError(f"head must be auto, mlp or none, got {config.head!r}")
        self.config, self.encoder, self.head = config, encoder, nn.Sequential()
        if config.head == "mlp" or (config.head == "auto" and encoder.pooler == "cls-before-pooler"):
            self.head = nn.Sequential(heads.mlp([width, width], norm=False, bias=True, seed=seed), nn.Tanh())
        self.predictor = masked_words.Predictor(encoder, seed=seed) if config.mlm else None
        self.negatives = Extra(config.negatives, width, config.similarity, seed=seed)

    def embed(self, batch: Batch) -> Embeddings:
        """One forward pass over all views; another for masked words, where asked for."""
        key = (batch.seed, batch.step, batch.ids_B)
        count = len(batch.views) if self.config.contrast else 1
        views = [{**view, "dropout": row_keys(*key, number)} for number, view in enumerate(batch.views[:count])]
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.contrast > 0):
            features_VBH = self.encoder(together(views)).unflatten(0, (count, -1))
            roles = {"views": self.head(features_VBH)}
        if batch.others is not None:
            other = {**batch.others.views[0], "dropout": row_keys(*key[:2], batch.others.ids_B, count + 1)}
            roles["others"] = self.head(self.encoder(other))
        if self.predictor is not None:
            seen, target_BL = masked_words.hidden(batch.views[0], self.encoder.tokenizer, *key)
            seen["dropout"] = row_keys(*key, count)
            states = self.encoder.states(seen)
            roles["words"] = self.predictor(states[-1], target_BL, self.encoder.words())
            if not self.config.contrast:
                masked_BH = pooled(states, seen["attention_mask"], self.encoder.pooler, skip=self.encoder.skip).detach()
                roles["views"] = torch.stack([features_VBH[0], masked_BH])
        return Embeddings.of(batch, features_VBH[0], **roles)

    def compare(self, z: Embeddings) -> Outcome:
        """Every sentence against the positives, and the hard negatives, of all."""
        c, views_VBH = self.config, z["views"]
        loss, guessing, diagnostics = views_VBH.new_zeros(()), 0.0, self.negatives.diagnostics(z.step)
        if c.contrast:
            loss, guessing = self._contrast(z, diagnostics)
        if self.predictor is not None:
            words_B2 = z["words"]
            loss = loss + c.mlm * words_B2[z.rows, 0].sum() / words_B2[:, 1].sum().clamp(min=1)
            guessing += c.mlm * math.log(len(self.predictor.bias))
            diagnostics = {**diagnostics, "contrast": torch.tensor(c.contrast)}
        return Outcome(loss, guessing, z, (views_VBH[0].detach(), views_VBH[1].detach()), diagnostics)

    def _contrast(self, z: Embeddings, diagnostics: dict[str, Tensor]) -> tuple[Tensor, float]:
        c, (query_BH, positive_BH, *hard), name_B = self.config, z["views"], z.names_B
        key_KH, own_B = torch.cat([positive_BH, *hard]), torch.arange(len(name_B), device=name_B.device)
        stranger_B = torch.full_like(name_B, -1)  # a hard negative is nobody's false negative
        name_K, own_K = torch.cat([name_B, *[stranger_B] * len(hard)]), torch.cat([stranger_B, *[own_B] * len(hard)])
        more = self.negatives(query_BH, name_B, (z.seed, z.step), drawn=z.others, batch=(key_KH, name_K))
        guide_BG = z.roles.get("guide")
        loss_R = losses.info_nce(
            query_BH, key_KH, temperature=c.temperature, similarity=c.similarity, decoupled=c.decoupled or bool(hard),
            query_ids_Q=name_B, key_ids_K=name_K, query_groups_Q=own_B, key_groups_K=own_K, rows=z.rows,
            guide=self.negatives.guide(guide_BG, len(key_KH) - len(query_BH)), diagnostics=diagnostics,
            reduction="none", **more.for_loss, **self.negatives.hardness,
        )  # fmt: skip
        count_B = in_batch.others(name_B, guide=self.negatives.guide(guide_BG)) + more.count_B
        if hard:  # the own ones were left out above: here they join, with their weight
            count_B = count_B + len(hard) * (len(name_B) - 1)
            loss_R = loss_R.masked_fill(count_B[z.rows] == 0, -torch.inf)  # info_nce says 0 where no negative is left
            count_B = count_B + len(hard) * math.exp(c.hard_weight)
        for hard_BH in hard:
            nearer_B = pairwise(query_BH, hard_BH, c.similarity) - pairwise(query_BH, positive_BH, c.similarity)
            loss_R = torch.logaddexp(loss_R, nearer_B[z.rows] / c.temperature + c.hard_weight)
        loss_R = F.softplus(loss_R) if hard and not c.decoupled else loss_R
        return c.contrast * loss_R.sum() / len(name_B), c.contrast * in_batch.guessing(count_B, decoupled=c.decoupled)

    def after_step(self, outcome: Outcome, progress: Progress) -> None:
        """SimCSE remembers nothing, unless it was given a queue: then the positives."""
        z = outcome.embeddings
        self.negatives.push(z["views"][1], z.names_B, z.step)

    def parameter_groups(self) -> list[Group]:
        """Weights decay; biases and LayerNorm do not (as transformers' trainer has it)."""
        return groups(self)
