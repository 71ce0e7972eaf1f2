"""Classes by their names in words."""

import numpy as np
import pytest
import torch

from kontrast.errors import Unfit
from kontrast.evaluate import zero_shot as zs

CLASSES = ["cat", "dog", "cow"]


def embed_text(sentences):
    """A vector for each sentence from its letters."""
    table = torch.randn(256, 6, generator=torch.Generator().manual_seed(0))
    return torch.stack([table[list(sentence.encode())].sum(0) for sentence in sentences])


def test_the_classifier_is_the_mean_of_unit_vectors_made_unit():
    sentences = ["a {}.", "the photo of a {}"]
    found = zs.classifier(CLASSES, sentences, embed_text).double().numpy()
    for row, name in zip(found, CLASSES):
        vectors = embed_text([sentence.replace("{}", name) for sentence in sentences]).double().numpy()
        mean = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).mean(0)
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)


def test_pictures_at_their_class_are_found_and_unknown_ones_left_out():
    sentences = ["a {}."]
    image = zs.classifier(CLASSES, sentences, embed_text)[[0, 1, 2, 2, 0]] * 7
    score = zs.zero_shot(image, np.array([0, 1, 2, 1, -1]), CLASSES, sentences, embed_text)
    assert score["zero_shot_top1"] == pytest.approx(3 / 4)
    with pytest.raises(Unfit, match="labelled"):
        zs.zero_shot(image, np.full(5, -1), CLASSES, sentences, embed_text)
    with pytest.raises(Unfit, match="label 2 has no name"):
        zs.zero_shot(image, np.array([0, 1, 2, 1, -1]), CLASSES[:2], sentences, embed_text)


def test_own_files_are_read_and_refused_in_words(tmp_path):
    (tmp_path / "t.txt").write_text("one {}\n\ntwo {}\n")
    assert zs.templates(tmp_path / "t.txt") == ("one {}", "two {}")
    (tmp_path / "bad.txt").write_text("no place\n")
    with pytest.raises(Unfit, match="'no place'"):
        zs.templates(tmp_path / "bad.txt")
    with pytest.raises(Unfit, match='"80", "7" or a UTF-8 text file'):
        zs.templates(tmp_path / "none.txt")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert zs.class_names(tmp_path / "classes.txt") == ("cat", "dog")
