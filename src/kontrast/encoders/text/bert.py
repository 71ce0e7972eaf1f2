"""BERT in plain torch: our small transformer for sentences, and the reader of every BERT folder.

Names and maths are those of transformers' `BertModel`, so weights go both ways. Two things differ. Rows are never
padded: the tokens of all texts lie one after another, sorted by length, and attention runs once for each length. So
padding can change nothing and costs nothing. And dropout masks are keyed (`encoders.dropout`). Under `torch.export`
(and ONNX, which begins with it) rows are padded and masked instead, as everywhere: lengths are symbols there.

Devlin et al. 2019, arXiv:1810.04805.

Shapes: B texts, L tokens of the longest, T tokens of all texts, H width, A heads, D = H / A, b texts of one length l.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kontrast.encoders.text.dropout import dropout
from kontrast.encoders.weights import drawn_from


@dataclass(frozen=True, kw_only=True)
class Shape:
    """BERT's numbers. The defaults are our small one: 7.4 million weights, 4 million of them in the vocabulary."""

    vocabulary: int = 16_000
    width: int = 256
    layers: int = 4
    heads: int = 4
    hidden: int = 1024  # of the two-layer network
    positions: int = 128
    types: int = 2
    epsilon: float = 1e-12
    dropout: float = 0.1  # of embeddings and layer outputs
    attention_dropout: float = 0.1


@dataclass(frozen=True)
class _Packed:
    """Where the tokens lie: in order of length, text after text."""

    take_T: Tensor  # place of each token in the flat (B, L)
    place_T: Tensor  # its position in its text
    pieces: list[tuple[int, int]]  # (texts, length), lengths ascending
    key_T: Tensor | None  # dropout keys of the tokens' texts
    keys_b: list[Tensor | None]  # and of the texts, piece by piece
    seen_B11L: Tensor | None = None  # which tokens may be looked at, where one piece holds padding too

    @classmethod
    def of(cls, mask_BL: Tensor, key_B: Tensor | None) -> _Packed:
        length_B, order_B = mask_BL.sum(dim=1).sort(stable=True)
        width = mask_BL.shape[1]
        place_BL = torch.arange(width, device=mask_BL.device).expand(len(mask_BL), width)
        inside_BL = place_BL < length_B[:, None]
        take_T = (order_B[:, None] * width + place_BL)[inside_BL]
        pieces = [(len(list(same)), length) for length, same in groupby(length_B.tolist()) if length]
        if key_B is None:
            return cls(take_T, place_BL[inside_BL], pieces, None, [None] * len(pieces))
        sorted_B = key_B[order_B]
        keys_b = sorted_B[length_B > 0].split([texts for texts, _ in pieces])
        return cls(take_T, place_BL[inside_BL], pieces, sorted_B.repeat_interleave(length_B), list(keys_b))

    @classmethod
    def padded(cls, mask_BL: Tensor) -> _Packed:
        """All of (B, L) as one piece, for `torch.export`: lengths are then numbers that nobody knows yet."""
        B, L = mask_BL.shape
        place_T = torch.arange(L, device=mask_BL.device).repeat(B)
        take_T = torch.arange(B * L, device=mask_BL.device)
        return cls(take_T, place_T, [(B, L)], None, [None], mask_BL[:, None, None].bool())


class Bert(nn.Module):
    """Token ids to the hidden states of every layer. Weights are drawn by the seed: normal(0, 0.02), biases 0."""

    def __init__(self, shape: Shape, *, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        with drawn_from("bert", seed):
            self.embeddings = _Embeddings(shape)
            layers = nn.ModuleList(_Layer(shape, 1 + 3 * n) for n in range(shape.layers))
            self.encoder = nn.ModuleDict({"layer": layers})
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Embedding):
                    nn.init.normal_(module.weight, std=0.02)
                if isinstance(module, nn.Linear):
                    nn.init.zeros_(module.bias)

    def words(self) -> Tensor:
        """The vectors of the vocabulary, (vocabulary, H)."""
        return self.embeddings.word_embeddings.weight

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, key_B: Tensor | None = None) -> list[Tensor]:
        """The embeddings' output and each layer's, (B, L, H) each, zero at padding.

        mask_BL  1 for tokens, 0 for padding; tokens come first in each row
        key_B    keys of the dropout masks; without them nothing is dropped
        """
        exporting = torch.compiler.is_exporting()
        at = _Packed.padded(mask_BL) if exporting else _Packed.of(mask_BL, key_B)
        state_TH = self.embeddings(ids_BL.flatten()[at.take_T], at)
        states = [state_TH]
        for layer in self.encoder["layer"].children():
            states.append(layer(states[-1], at))
        B, L = ids_BL.shape
        if exporting:
            return [state.view(B, L, -1) * mask_BL[..., None] for state in states]
        return [
            state.new_zeros(B * L, state.shape[1]).index_copy(0, at.take_T, state).view(B, L, -1) for state in states
        ]


class _Embeddings(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.width)
        self.position_embeddings = nn.Embedding(shape.positions, shape.width)
        self.token_type_embeddings = nn.Embedding(shape.types, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.rate = shape.dropout

    def forward(self, ids_T: Tensor, at: _Packed) -> Tensor:
        state_TH = self.word_embeddings(ids_T) + self.position_embeddings(at.place_T)
        state_TH = self.LayerNorm(state_TH + self.token_type_embeddings.weight[0])
        return _dropped(state_TH, at, 0, self.rate)


class _Layer(nn.Module):
    """Attention and a two-layer network, each with a residual and a LayerNorm after it. `call`: its first mask."""

    def __init__(self, shape: Shape, call: int) -> None:
        super().__init__()
        self.heads, self.call, self.rate = shape.heads, call, shape.attention_dropout
        linear = {name: nn.Linear(shape.width, shape.width) for name in ("query", "key", "value")}
        self.attention = nn.ModuleDict({"self": nn.ModuleDict(linear), "output": _Output(shape.width, shape, call + 1)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(shape.width, shape.hidden)})
        self.output = _Output(shape.hidden, shape, call + 2)

    def forward(self, state_TH: Tensor, at: _Packed) -> Tensor:
        query_TH, key_TH, value_TH = (linear(state_TH) for linear in self.attention["self"].children())
        parts, start = [], 0
        for (texts, length), key_b in zip(at.pieces, at.keys_b):
            piece = slice(start, start + texts * length)
            start = piece.stop
            split = (texts, length, self.heads, -1)
            q, k, v = (side[piece].view(split).transpose(1, 2) for side in (query_TH, key_TH, value_TH))
            attended = self._attended(q, k, v, key_b, at.seen_B11L)
            parts.append(attended.transpose(1, 2).reshape(texts * length, -1))
        state_TH = self.attention["output"](torch.cat(parts), state_TH, at)
        out_TH: Tensor = self.output(F.gelu(self.intermediate["dense"](state_TH)), state_TH, at)
        return out_TH

    def _attended(
        self, q_bAlD: Tensor, k_bAlD: Tensor, v_bAlD: Tensor, key_b: Tensor | None, seen_b11l: Tensor | None
    ) -> Tensor:
        if key_b is None or self.rate == 0:
            return F.scaled_dot_product_attention(q_bAlD, k_bAlD, v_bAlD, attn_mask=seen_b11l)
        share_bAll = (q_bAlD @ k_bAlD.mT * q_bAlD.shape[-1] ** -0.5).softmax(dim=-1)
        share_bAll = dropout(share_bAll, key_b, self.call, self.rate)
        return share_bAll.to(v_bAlD.dtype) @ v_bAlD


class _Output(nn.Module):
    """Linear, dropout, residual, LayerNorm."""

    def __init__(self, fan_in: int, shape: Shape, call: int) -> None:
        super().__init__()
        self.dense = nn.Linear(fan_in, shape.width)
        self.LayerNorm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.call, self.rate = call, shape.dropout

    def forward(self, inner_TX: Tensor, state_TH: Tensor, at: _Packed) -> Tensor:
        out_TH: Tensor = self.LayerNorm(_dropped(self.dense(inner_TX), at, self.call, self.rate) + state_TH)
        return out_TH


def _dropped(state_TH: Tensor, at: _Packed, call: int, rate: float) -> Tensor:
    return state_TH if at.key_T is None else dropout(state_TH, at.key_T, call, rate, place_N=at.place_T)
