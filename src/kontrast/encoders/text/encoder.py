"""What a sentence encoder is: a network with its tokenizer, its pooling, and how texts go through it.

Shapes: B texts, L tokens of the longest, H features (`encoder.width`), N texts of a whole set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from kontrast import progress
from kontrast.encoders.heads import identity
from kontrast.encoders.text.dropout import dropout
from kontrast.encoders.text.tokens import Tokenizer
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

POOLERS = (
    "cls",
    "cls-before-pooler",
    "mean",
    "first-last",
    "top2",
    "max",
    "last",
    "weighted-mean",
    "mean-sqrt-len",
)
TOKENS_AT_ONCE = 16_384  # in one forward pass of `embed`: bounds memory, about 0.5 GB at width 384
STATIC_WIDTH = 256
UNLIMITED = 1 << 20  # tokens of a text that only averages its words


class Net(Protocol):
    """An `nn.Module`: token ids, mask and dropout keys to hidden states (B, L, H), first to last."""

    def __call__(self, ids_BL: Tensor, mask_BL: Tensor, key_B: Tensor | None) -> Sequence[Tensor]: ...
    def words(self) -> Tensor: ...


class Table(nn.Module):
    """One vector per token. `dropout` zeroes elements of them, with keyed masks; by default none.

    Random vectors as long as their words are rare (`weigh`) make the mean a random projection of TF-IDF, which is what
    learning should begin with: so it keeps what words alone tell, and adds which words mean the same.
    """

    def __init__(self, vocabulary: int, width: int, *, seed: int = 0) -> None:
        super().__init__()
        with drawn_from("table", seed):
            self.embedding = nn.Embedding(vocabulary, width)
            nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def words(self) -> Tensor:
        return self.embedding.weight

    @torch.no_grad()
    def weigh(self, found_V: Tensor, texts: int) -> None:
        """Each vector times its token's inverse document frequency, ln((1 + texts) / (1 + found)) + 1, over their mean.

        found_V: how many of so many texts have the token; the mean is over tokens that some text has.
        """
        idf_V = ((1 + texts) / (1 + found_V)).log() + 1
        self.embedding.weight *= (idf_V / idf_V[found_V > 0].mean())[:, None]

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, key_B: Tensor | None = None) -> list[Tensor]:
        state_BLH = self.embedding(ids_BL)
        return [state_BLH if key_B is None else dropout(state_BLH, key_B, 0, 0.1)]


class TextEncoder(nn.Module):
    """A net, a pooler and a tokenizer, and what is needed to build them again.

    pooler      cls                the last layer's first token, through Linear and tanh, also after training
                cls-before-pooler  the last layer's first token
                mean               the last layer's mean over tokens
                first-last, top2   the mean over tokens of layer 1 and the last, or of the last two
            max                the largest over tokens, number by number
            last               the last token, which alone has seen all others where a token sees only those before it
            weighted-mean      the mean over tokens, the first once, the second twice, and so on
            mean-sqrt-len      the sum over tokens by the root of their number
            several            joined by "+": one vector behind the other
    width       H, the length of a feature vector;  hidden  that of a token's, where it is another
    spec        JSON values: with a tokenizer, all that `rebuilt` needs (weights excepted)
    messages    what was decided for the user, in sentences
    """

    by_rows = True  # no text needs another: a large batch may be cut

    def __init__(
        self, net: Any, tokenizer: Tokenizer, spec: dict[str, Any], messages: tuple[str, ...] = (), *, seed: int = 0
    ) -> None:
        super().__init__()
        if any(part not in POOLERS for part in spec["pooler"].split("+")):
            raise Unfit(f"--pooler {spec['pooler']!r} is unknown; known: {', '.join(POOLERS)}.")
        self.net, self.tokenizer, self.spec, self.messages = net, tokenizer, spec, messages
        self.width: int = spec["width"]
        self.hidden: int = spec.get("hidden", self.width)
        self.pooler: str = spec["pooler"]
        self.skip = 0 if spec.get("include_prompt", True) or not tokenizer.prompt else tokenizer.prompt_tokens()
        if self.pooler == "cls":
            with drawn_from("pooler", seed):
                self.dense = nn.Linear(self.hidden, self.hidden)
                nn.init.normal_(self.dense.weight, std=0.02)
            nn.init.zeros_(self.dense.bias)
        layers: list[nn.Module] = []
        with drawn_from("dense", seed):
            for each in spec.get("dense", ()):
                kind = each["activation"].rpartition(".")[2]
                layers += [nn.Linear(each["in"], each["out"], bias=each["bias"]), vars(nn)[kind]()]
        self.after = nn.Sequential(*layers)

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        mask_BL = tokens["attention_mask"]
        features_BH = pooled(self.states(tokens), mask_BL, self.pooler, skip=self.skip)
        if self.pooler == "cls":
            features_BH = torch.tanh(self.dense(features_BH))
        features_BH = self.after(features_BH)
        features_BH = normalize(features_BH, dim=1) if self.spec["normalize"] else features_BH
        return features_BH[:, : self.width] if features_BH.shape[1] > self.width else features_BH

    def add_head(self) -> nn.Linear:
        """A linear layer after all others, begun as the identity; it stays with the encoder. Unfit where none can."""
        if self.pooler == "cls" or self.spec["name"] == "static":
            raise Unfit("--tune head: this encoder's folder has no place for one more layer; take --tune last:1.")
        dense = self.spec.get("dense", [])
        width = dense[-1]["out"] if dense else self.hidden * len(self.pooler.split("+"))
        head = identity(width)
        self.after.extend([head, nn.Identity()])
        linear = {"in": width, "out": width, "bias": True, "activation": "torch.nn.modules.linear.Identity"}
        self.spec["dense"] = [*dense, linear]
        return head

    def words(self) -> Tensor:
        """The vectors of the vocabulary, (vocabulary, H)."""
        weight: Tensor = self.net.words()
        return weight

    def states(self, tokens: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """Hidden states (B, L, H) of the embeddings and of every layer."""
        key_B = tokens.get("dropout") if self.training else None
        states: Sequence[Tensor] = self.net(tokens["input_ids"], tokens["attention_mask"], key_B)
        return states


def pooled(states: Sequence[Tensor], mask_BL: Tensor, pooler: str, *, skip: int = 0) -> Tensor:
    """(B, H) from hidden states (B, L, H) by one of `POOLERS` (the Linear of "cls" comes after), or several joined.

    skip: tokens at the beginning, those of a prompt, that are left out.
    """
    if "+" in pooler:
        return torch.cat([pooled(states, mask_BL, part, skip=skip) for part in pooler.split("+")], dim=1)
    last_BLH = states[-1]
    if pooler.startswith("cls"):
        return last_BLH[:, skip]
    place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    if skip:
        mask_BL = mask_BL * (place_L >= skip)
    if pooler == "max":
        return last_BLH.masked_fill(mask_BL[..., None] == 0, float("-inf")).amax(dim=1)
    if pooler == "last":
        place_B11 = (mask_BL * place_L).amax(dim=1)[:, None, None]
        return last_BLH.gather(1, place_B11.expand(-1, 1, last_BLH.shape[2])).squeeze(1)
    if pooler in ("first-last", "top2"):
        if len(states) < 3:
            raise Unfit(f"--pooler {pooler} needs an encoder with at least two layers.")
        last_BLH = (last_BLH + states[1 if pooler == "first-last" else -2]) / 2
    weight_BL1 = mask_BL[..., None].to(last_BLH.dtype)
    if pooler == "weighted-mean":
        weight_BL1 = weight_BL1 * (place_L[:, None] + 1)
    count_B1 = weight_BL1.sum(dim=1).clamp(min=1)
    return (last_BLH * weight_BL1).sum(dim=1) / (count_B1.sqrt() if pooler == "mean-sqrt-len" else count_B1)


def together(views: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tokens of several views, padded alike, as the rows of one batch."""
    return {name: torch.cat([view[name] for view in views]) for name in views[0]}


@torch.no_grad()
def embed(encoder: TextEncoder, texts: Sequence[str], *, max_length: int | None = None) -> Tensor:
    """float32 (N, H) on the CPU, in eval mode, for any number of texts: longest first, so little is padded."""
    training, device = encoder.training, next(encoder.parameters()).device
    encoder.eval()
    length_N = encoder.tokenizer.lengths(texts).clip(max=min(max_length or 1 << 30, encoder.tokenizer.max_length))
    order_N = (-length_N).argsort(kind="stable")
    features_NH = torch.empty(len(texts), encoder.width)
    start = 0
    while start < len(order_N):
        rows = order_N[start : start + max(1, TOKENS_AT_ONCE // max(1, int(length_N[order_N[start]])))]
        tokens = encoder.tokenizer([texts[row] for row in rows], max_length)
        features = encoder({name: part.to(device) for name, part in tokens.items()})
        features_NH[torch.from_numpy(rows.copy())] = features.float().cpu()
        start += len(rows)
        progress.told("embedding sentences", start, len(texts))
    encoder.train(training)
    return features_NH
