"""CLIP's words: byte-pair encoding in OpenAI's format, read from a file, or learned from the user's own captions.

A vocabulary is a list of merges. Its ids follow from it: 256 bytes, the same 256 at the end of a word, one for each
merge, start of text, end of text. End of text has the largest id, and the text tower looks for just that. A vocabulary
of ours has one more mark before these two, for padding; OpenAI's pads with id 0, which is "!".

Shapes: B captions, T tokens of the longest (or of the context).
"""

from __future__ import annotations

import gzip
import html
import json
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kontrast import files, progress
from kontrast.encoders.text.tokens import Tokenizer
from kontrast.errors import Unfit

START, END, PAD = "<start_of_text>", "<end_of_text>", "<pad>"
WORDS = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
OPENAI_MERGES = 49152 - 256 - 2  # the lines of the published file that OpenAI's code uses
PLAIN = str.maketrans({"‘": "'", "’": "'", "‚": "'", "‛": "'", "“": '"', "”": '"', "„": '"', "‟": '"', "…": "…"})


@dataclass(frozen=True)
class Captions:
    """Captions to ids, (B, T): cleaned, encoded, cut at `context` tokens with the end-of-text mark kept.

    clean  "lower": HTML undone, blanks joined, lower case (CLIP); "whitespace": without lower case;
           "canonicalize": without punctuation too (SigLIP)
    """

    inner: Tokenizer
    clean: str = "lower"

    @property
    def context(self) -> int:
        return self.inner.max_length

    @property
    def pad_id(self) -> int:
        return self.inner.pad_id

    def __call__(self, texts: Sequence[str], *, full: bool = False) -> Tensor:
        """int64 ids (B, T): T is that of the longest, or with `full` the whole context."""
        ids_BT = self.inner([cleaned(text, self.clean) for text in texts])["input_ids"]
        missing = self.context - ids_BT.shape[1] if full else 0
        return torch.nn.functional.pad(ids_BT, (0, missing), value=self.inner.pad_id)

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each caption before anything is cut."""
        return self.inner.lengths([cleaned(text, self.clean) for text in texts])

    def truncated(self, texts: Sequence[str]) -> str:
        """How many of these captions will be cut, in a sentence; empty when none will."""
        length_B = self.lengths(texts)
        long = int((length_B > self.context).sum())
        if not long:
            return ""
        example = texts[int(length_B.argmax())]
        return (
            f"{long:,} of {len(texts):,} captions are longer than {self.context} tokens and will be cut; the longest "
            f"has {length_B.max()}: {example[:60]!r}..."
        )


def cleaned(text: str, how: str) -> str:
    """The text as CLIP's code cleans it: HTML marks undone twice, curly quotes straight, runs of blanks one blank.

    OpenAI also repairs wrongly decoded text (ftfy); that is left to whoever prepares the data.
    """
    text = unicodedata.normalize("NFC", html.unescape(html.unescape(text))).translate(PLAIN)
    if how == "canonicalize":
        text = text.replace("_", " ").translate(str.maketrans("", "", string.punctuation))
    elif how not in ("lower", "whitespace"):
        raise Unfit(f"The tokenizer cleans its text by {how!r}, which kontrast does not know.")
    text = " ".join(text.split())
    return text if how == "whitespace" else text.lower()


def byte_letters() -> list[str]:
    """A printable letter for each byte, in the order of the ids: GPT-2's table."""
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return [*map(chr, shown), *(chr(256 + place) for place in range(len(hidden)))]


def from_merges(merges: Sequence[tuple[str, str]], *, context: int, own: bool) -> Captions:
    """The tokenizer of a list of merges; `own`: a vocabulary of ours, with a mark for padding."""
    from tokenizers import models, processors

    letters = byte_letters()
    marks = [PAD, START, END] if own else [START, END]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), *marks]
    number = {token: place for place, token in enumerate(tokens)}
    inner = _splitting(models.BPE(vocab=number, merges=list(merges), end_of_word_suffix="</w>"))
    inner.add_special_tokens(marks)
    inner.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, number[START]), (END, number[END])]
    )
    return Captions(Tokenizer(inner, context, pad_id=number.get(PAD, 0)), "whitespace" if own else "lower")


def _splitting(model: Any) -> Any:
    """A `tokenizers.Tokenizer` that lower-cases, cuts at CLIP's word borders, and writes bytes as letters."""
    from tokenizers import Regex, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Inner

    inner = Inner(model)
    inner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return inner


def learned(captions: Iterable[str], *, context: int, vocabulary: int = 8192) -> Captions:
    """A vocabulary of its own from these captions, at most so large; the same captions give the same one."""
    from tokenizers import models, trainers

    inner = _splitting(models.BPE(end_of_word_suffix="</w>"))
    # The library numbers last letters in the order of a hash table, which no two runs share: number them beforehand.
    letters = sorted(byte_letters())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 3,
        min_frequency=2,
        show_progress=False,
        end_of_word_suffix="</w>",
        special_tokens=[*letters, *(f"{letter}</w>" for letter in letters)],
    )
    inner.train_from_iterator(
        (cleaned(text, "whitespace") for text in progress.passing(captions, "training the tokenizer")), trainer
    )
    merges = json.loads(inner.to_str())["model"]["merges"]
    return from_merges([(first, second) for first, second in merges], context=context, own=True)


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The merges of OpenAI's `bpe_simple_vocab_16e6.txt.gz`, or of a `merges.txt`."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = content.decode("utf-8").split("\n")
    return [(first, second) for first, second in (line.split() for line in lines[1 : OPENAI_MERGES + 1] if line)]


def openai(*, context: int = 77, path: Path | None = None) -> Captions:
    """CLIP's own vocabulary, from a file of yours or from an installed open_clip; nothing is downloaded."""
    if path is None:
        package = find_spec("open_clip")
        if package is None or package.origin is None:
            raise Unfit(
                "CLIP's vocabulary is not here: put bpe_simple_vocab_16e6.txt.gz or merges.txt into the model's "
                "folder, or pip install open_clip_torch, which brings it."
            )
        path = Path(package.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    return from_merges(read_merges(path), context=context, own=False)


def read(folder: Path, text_cfg: Mapping[str, Any]) -> Captions:
    """The tokenizer of an open_clip folder: its own tokenizer.json, or CLIP's vocabulary."""
    from tokenizers import Tokenizer as Inner

    context = int(text_cfg.get("context_length") or 77)
    options = dict(text_cfg.get("tokenizer_kwargs") or {})
    own = bool(text_cfg.get("hf_tokenizer_name"))
    clean = options.pop("clean", "whitespace" if own else "lower")
    if options:
        raise Unfit(f"{folder}: kontrast does not know the tokenizer option {next(iter(options))!r}.")
    if own:
        if not (folder / "tokenizer.json").is_file():
            raise Unfit(f"{folder} names a tokenizer of its own, but has no tokenizer.json.")
        inner = Inner.from_file(str(folder / "tokenizer.json"))
        inner.no_padding()
        config = folder / "tokenizer_config.json"
        pad = json.loads(config.read_text()).get("pad_token") if config.is_file() else None
        pad = pad.get("content") if isinstance(pad, dict) else pad
        return Captions(Tokenizer(inner, context, pad_id=inner.token_to_id(pad or PAD) or 0), clean)
    files = [folder / name for name in ("bpe_simple_vocab_16e6.txt.gz", "merges.txt")]
    return replace(openai(context=context, path=next((file for file in files if file.is_file()), None)), clean=clean)


def write(captions: Captions, folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json, as transformers and open_clip read them."""
    inner = captions.inner.inner
    inner.no_truncation()
    inner.no_padding()
    files.write(folder / "tokenizer.json", inner.to_str(pretty=True))
    content = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": captions.context,
        "pad_token": inner.id_to_token(captions.inner.pad_id),
    }
    marks = {"bos_token": START, "eos_token": END, "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    content |= {role: mark for role, mark in marks.items() if inner.token_to_id(mark) is not None}
    files.write(folder / "tokenizer_config.json", json.dumps(content, indent=2) + "\n")
