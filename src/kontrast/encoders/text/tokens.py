"""Words to integers and back: a tokenizer of somebody else's model, or one trained on the user's own sentences.

Both live in one file, `tokenizer.json`, that the `tokenizers` library, transformers and sentence-transformers read.

Shapes: B texts, L tokens of the longest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kontrast import files, progress
from kontrast.errors import Unfit

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")  # BERT's, in BERT's order: [PAD] is 0
COUNTED_AT_ONCE = 10_000  # texts
VOCABULARY = 16_000  # of our own tokenizer, at most: half of BERT's, for sets of up to a million sentences


@dataclass(frozen=True)
class Tokenizer:
    """Texts to padded integers.

    inner       a `tokenizers.Tokenizer`
    max_length  tokens that a text may have, special ones included; longer texts are cut there
    special     put the model's own marks ([CLS], [SEP]) around each text
    prompt      stands before every text, as the model was trained with it
    """

    inner: Any
    max_length: int
    pad_id: int = 0
    mask_id: int | None = None
    lower: bool = False
    special: bool = True
    prompt: str = ""

    def __call__(self, texts: Sequence[str], max_length: int | None = None) -> dict[str, Tensor]:
        """`input_ids` and `attention_mask` (1: a token, 0: padding), both int64 (B, L)."""
        limit = min(max_length or self.max_length, self.max_length)
        rows = self._ids(texts, limit)
        lengths = np.array([len(row) for row in rows], dtype=np.int64)
        width = max(1, int(lengths.max(initial=0)))
        mask_BL = np.arange(width) < lengths[:, None]
        ids_BL = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        ids_BL[mask_BL] = np.fromiter((token for row in rows for token in row), dtype=np.int64, count=lengths.sum())
        return {"input_ids": torch.from_numpy(ids_BL), "attention_mask": torch.from_numpy(mask_BL.astype(np.int64))}

    def lengths(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Tokens of each text before anything is cut: what is longer than `max_length` will lose its end."""
        return np.array([len(row) for row in self._ids(texts, None)], dtype=np.int64)

    def found_in(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How many of these texts have each token of the vocabulary: the document frequency."""
        count = np.zeros(self.size, dtype=np.int64)
        for start in range(0, len(texts), COUNTED_AT_ONCE):
            for row in self._ids(texts[start : start + COUNTED_AT_ONCE], None):
                count[list(set(row))] += 1
        return count

    def _ids(self, texts: Sequence[str], limit: int | None) -> list[list[int]]:
        if limit is None:
            self.inner.no_truncation()
        else:
            self.inner.enable_truncation(limit)
        words = [self.prompt + text for text in texts] if self.prompt else list(texts)
        words = [text.lower() for text in words] if self.lower else words
        return [found.ids for found in self.inner.encode_batch(words, add_special_tokens=self.special)]

    @property
    def size(self) -> int:
        return int(self.inner.get_vocab_size())

    def prompt_tokens(self) -> int:
        """How many tokens of a row come before the text: those of the prompt, without the mark at its end."""
        ids = self._ids([""], None)[0]
        return len(ids) - (1 if ids and ids[-1] in self.special_ids() else 0)

    def special_ids(self) -> list[int]:
        """The marks that stand for no word: never masked, never predicted."""
        return sorted(number for number, token in self.inner.get_added_tokens_decoder().items() if token.special)

    def save(self, folder: Path) -> None:
        """`tokenizer.json` and the `tokenizer_config.json` that both generations of transformers read."""
        self.inner.no_truncation()
        self.inner.no_padding()
        files.write(folder / "tokenizer.json", self.inner.to_str(pretty=True))
        content = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": self.max_length,
            "pad_token": self.inner.id_to_token(self.pad_id),
        }
        marks = {"unk_token": ("[UNK]", "<unk>"), "cls_token": ("[CLS]", "<s>"), "sep_token": ("[SEP]", "</s>")}
        content |= {
            role: mark for role, names in marks.items() for mark in names if self.inner.token_to_id(mark) is not None
        }
        if self.mask_id is not None:
            content["mask_token"] = self.inner.id_to_token(self.mask_id)
        files.write(folder / "tokenizer_config.json", json.dumps(content, indent=2) + "\n")


def read(
    folder: Path, *, max_length: int, pad_id: int | None = None, lower: bool = False, special: bool = True
) -> Tokenizer:
    """The tokenizer of a model folder: its `tokenizer.json`, else what transformers makes of its older files."""
    from tokenizers import Tokenizer as Inner

    if (folder / "tokenizer.json").is_file():
        inner = Inner.from_file(str(folder / "tokenizer.json"))
    else:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
            inner = tokenizer.backend_tokenizer
        except (OSError, ValueError, AttributeError) as error:
            raise Unfit(f"{folder} holds no tokenizer that can be read: {error}") from error
    inner.no_padding()
    pad = _first_known(inner, "[PAD]", "<pad>", "</s>", "<|endoftext|>") if pad_id is None or pad_id < 0 else pad_id
    mask = _first_known(inner, "[MASK]", "<mask>")
    return Tokenizer(inner, max_length, pad or 0, mask, lower, special)


def _first_known(inner: Any, *marks: str) -> int | None:
    return next((number for mark in marks if (number := inner.token_to_id(mark)) is not None), None)


def trained(texts: Iterable[str], *, max_length: int, vocabulary: int = VOCABULARY, special: bool = True) -> Tokenizer:
    """A lower-case WordPiece tokenizer (BERT's kind) learned from these texts; the same texts give the same one.

    vocabulary: entries at most; pieces seen only once are not taken up.
    """
    from tokenizers import Tokenizer as Inner
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

    normalizer = normalizers.BertNormalizer(lowercase=True)
    plain = [normalizer.normalize_str(text) for text in progress.passing(texts, "reading words")]
    # The library numbers inner letters in the order of a hash table, which no two runs share: number them beforehand.
    letters = sorted({letter for text in plain for letter in text if not letter.isspace()})
    numbered = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    learner = Inner(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learner.train_from_iterator(
        progress.passing(plain, "training the tokenizer"),
        trainers.WordPieceTrainer(vocab_size=vocabulary, min_frequency=2, special_tokens=numbered, show_progress=False),
    )
    inner = Inner(models.WordPiece(learner.get_vocab(), unk_token="[UNK]"))
    inner.add_special_tokens(list(SPECIAL))
    inner.normalizer, inner.pre_tokenizer = normalizer, pre_tokenizers.BertPreTokenizer()
    inner.decoder = decoders.WordPiece()
    marks = {name: number for number, name in enumerate(SPECIAL)}
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", marks["[CLS]"]), ("[SEP]", marks["[SEP]"])],
    )
    return Tokenizer(inner, max_length, marks["[PAD]"], marks["[MASK]"], special=special)
