"""Masked words: hide some words of a sentence and let the encoder name them (Devlin et al. 2019, arXiv:1810.04805).

Of every text's tokens 15 % are chosen; of those 80 % become the mask, 10 % a random token, 10 % stay. Which ones, is a
pure function of (seed, step, sample). SimCSE takes this as an auxiliary loss; alone it pretrains a small model.

Shapes: B texts, L tokens of the longest, M chosen tokens, H width, W words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kontrast import keyed
from kontrast.encoders.text.encoder import TextEncoder
from kontrast.encoders.text.tokens import Tokenizer
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

SHARE = 0.15
IGNORED = -100  # target of tokens that were not chosen


def hidden(
    tokens: Mapping[str, Tensor], tokenizer: Tokenizer, seed: int, step: int, ids_B: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """(the tokens with words hidden, the targets (B, L): the word that was there, or `IGNORED`)."""
    words_BL = tokens["input_ids"]
    device, length = words_BL.device, words_BL.shape[1]
    key = (seed, step, ids_B.cpu().numpy()[:, None], np.arange(length))
    chance_BL = torch.from_numpy(keyed.uniform("hide a word", *key)).to(device)
    other_BL = torch.from_numpy(keyed.below(tokenizer.size, "another word", *key)).to(device)
    special_S = torch.tensor(tokenizer.special_ids(), device=device)
    word_BL = tokens["attention_mask"].bool() & ~torch.isin(words_BL, special_S)
    assert tokenizer.mask_id is not None
    changed_BL = torch.where(word_BL & (chance_BL < 0.9 * SHARE), other_BL, words_BL)
    changed_BL = changed_BL.masked_fill(word_BL & (chance_BL < 0.8 * SHARE), tokenizer.mask_id)
    target_BL = words_BL.masked_fill(~(word_BL & (chance_BL < SHARE)), IGNORED)
    return {**tokens, "input_ids": changed_BL}, target_BL


class Predictor(nn.Module):
    """BERT's head, thrown away after training: Linear, GELU, LayerNorm, the vocabulary's own vectors and a bias."""

    no_chunks = "masked words (mlm > 0)"  # read by `run.chunking`: they are hidden in whole batches

    def __init__(self, encoder: TextEncoder, *, seed: int = 0) -> None:
        super().__init__()
        if encoder.spec["name"] == "static" or encoder.tokenizer.mask_id is None:
            raise Unfit("Masked words need an encoder whose tokens see each other and whose tokenizer has a mask.")
        width = encoder.hidden
        with drawn_from("masked words", seed):
            self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width, eps=1e-12)
            nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)
        self.bias = nn.Parameter(torch.zeros(encoder.tokenizer.size))

    def forward(self, state_BLH: Tensor, target_BL: Tensor, words_WH: Tensor) -> Tensor:
        """For each text, (B, 2): the sum of -ln p(hidden word) in nats, and how many were hidden.

        Guessing costs ln W a word.
        """
        chosen_BL = target_BL != IGNORED
        state_MH = self.norm(F.gelu(self.dense(state_BLH[chosen_BL])))
        logit_MW = F.linear(state_MH, words_WH[: len(self.bias)], self.bias)
        wide = torch.promote_types(logit_MW.dtype, torch.float32)
        loss_M = F.cross_entropy(logit_MW.to(wide), target_BL[chosen_BL], reduction="none")
        loss_BL = state_BLH.new_zeros(target_BL.shape, dtype=loss_M.dtype).masked_scatter(chosen_BL, loss_M)
        return torch.stack([loss_BL.sum(dim=1), chosen_BL.sum(dim=1).to(loss_M.dtype)], dim=1)
