"""Sentences without scores: halves, partners, tf-idf."""

import pytest
import torch

from kontrast.data.open import open_source
from kontrast.evaluate.formatting import sentence, table
from kontrast.evaluate.sentences import evaluate, halves, tf_idf


def letters(texts):
    """A vector of letter counts for each text."""
    return torch.tensor([[float(text.count(chr(97 + n))) for n in range(26)] for text in texts])


def test_halves_are_disjoint_and_whole():
    first, second = halves(["a b c d e f g", "too short", "one two three four five six"])
    assert first == ["a b c", "one two three"] and second == ["d e f g", "four five six"]


def test_sentences_without_labels_are_asked_for_their_other_half(tmp_path):
    path = tmp_path / "sentences.txt"
    words = [chr(97 + n) * 3 for n in range(20)]
    path.write_text("\n".join(f"{w} {w} {w} {w} {w} {w}" for w in words))
    result = evaluate(
        {"learned": letters, "random_weights": lambda texts: torch.ones(len(texts), 3)}, open_source(path)
    )
    assert result["learned"]["recall_at_1"] == 1 and result["learned"]["alignment"] == pytest.approx(0)
    assert result["random_weights"]["recall_at_1"] == 0  # all equal: nothing is found
    assert result["about"]["chance"]["recall_at_1"] == 1 / 20
    assert result["raw_input"]["recall_at_1"] == 1
    assert "other half" in "\n".join(table(result)) and sentence(result)


def test_pairs_are_asked_for_their_own_positive_and_equal_positives_count(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("anchor,positive\naa,aab\nbb,bba\ncc,same\ndd,same\n")
    found = evaluate({"learned": letters}, open_source(path))["learned"]
    assert found["recall_at_1"] == 0.5 and found["recall_at_5"] == 1


def test_tf_idf_counts_rare_words_more():
    embed = tf_idf(["the cat", "the dog", "the house", "the cat"])
    the, cat, both = embed(["the", "dog", "the dog"])
    assert both @ cat > both @ the > 0
