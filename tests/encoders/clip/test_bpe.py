"""CLIP's tokenizer against open_clip's; a vocabulary of one's own; cutting and counting."""

import os
from pathlib import Path

import pytest
import torch

from kontrast import keyed
from kontrast.encoders.clip import bpe
from kontrast.errors import Unfit

pytest.importorskip("tokenizers", reason="tokenizers is not installed")
DATA = Path(os.environ.get("KONTRAST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CAPTIONS = [
    "a red circle left of a blue square",
    "a blue square above a red circle",
    "two dogs run",
    "two dogs play",
] * 3
HARD = [
    "héllo wörld 🎉🎉 it's 3,000€ &amp;amp; <b>x</b>", "a\tb\nc  " + "word " * 100, "", "I'LL We'Ve DON'T",
    "<end_of_text> in the middle", "日本語のテキスト १२३", "ΣΑΣ", "it’s “curly”", "naïve café",
]  # fmt: skip


def test_the_ids_are_those_of_open_clip():
    peer = pytest.importorskip("open_clip", reason="open_clip is not installed")
    texts = list(HARD)
    if DATA.is_dir():
        parquet = pytest.importorskip("pyarrow.parquet")
        table = parquet.read_table(DATA / "captions" / "flickr8k-sample.parquet")
        texts += [caption for captions in table["captions"].to_pylist() for caption in captions][:1500]
    ours, theirs = bpe.openai()(texts, full=True), peer.SimpleTokenizer()(texts)
    different = [text for text, same in zip(texts, (ours == theirs).all(dim=1)) if not same]
    assert not different


def test_a_long_caption_keeps_its_end_and_is_counted():
    words = bpe.learned(CAPTIONS, context=8)
    end = words.inner.inner.token_to_id(bpe.END)
    ids = words(["two dogs run", "a red circle left of a blue square and more"])
    assert ids.shape == (2, 8) and ids[1, -1] == end and end == words.inner.size - 1
    assert ids.argmax(dim=1).tolist() == [4, 7]
    assert words.truncated(["two dogs", "two " * 20]).startswith("1 of 2 captions are longer than 8 tokens")
    assert words.truncated(["two dogs"]) == ""


def test_a_learned_vocabulary_is_a_function_of_its_captions_and_knows_every_byte():
    first, again = (bpe.learned(CAPTIONS, context=16) for _ in range(2))
    assert torch.equal(first(HARD, full=True), again(HARD, full=True))
    assert len(first.inner.inner.encode("circle").ids) == 3  # a word seen often is one token between two marks
    letters = first.inner.inner.encode("zé").ids
    assert all(isinstance(number, int) for number in letters) and len(letters) == 2 + 3


def test_written_and_read_again_it_gives_the_same_ids(tmp_path):
    words = bpe.learned(CAPTIONS, context=16)
    bpe.write(words, tmp_path)
    again = bpe.read(tmp_path, {"context_length": 16, "hf_tokenizer_name": "."})
    assert torch.equal(words(CAPTIONS + HARD, full=True), again(CAPTIONS + HARD, full=True))


def test_a_missing_vocabulary_is_told(tmp_path):
    with pytest.raises(Unfit, match=r"no tokenizer\.json"):
        bpe.read(tmp_path, {"hf_tokenizer_name": "."})
    with pytest.raises(Unfit, match="clean_up"):
        bpe.read(tmp_path, {"tokenizer_kwargs": {"clean_up": True}})


def test_the_same_captions_give_the_same_vocabulary():
    """With many ties: the trainer breaks them by numbers that it once gave in the order of a hash table."""
    words = ["".join("abcdefghij"[keyed.below(10, "word", n, i)] for i in range(1 + n % 6)) for n in range(300)]
    captions = [" ".join(words[keyed.below(300, "caption", n, i)] for i in range(6)) for n in range(300)]
    made = {str(bpe.learned(captions, context=32, vocabulary=700)(captions).tolist()) for _ in range(12)}
    assert len(made) == 1
