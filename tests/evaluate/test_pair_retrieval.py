"""Zero-shot against open_clip's classifier and by hand; retrieval both ways against sorting in float64."""

import numpy as np
import pytest
import torch

from kontrast.errors import Unfit
from kontrast.evaluate import zero_shot as zs
from kontrast.evaluate.retrieval import pair_retrieval

CLASSES = ["cat", "dog", "cow"]


def embed_text(sentences):
    """A vector for each sentence from its letters."""
    table = torch.randn(256, 6, generator=torch.Generator().manual_seed(0))
    return torch.stack([table[list(sentence.encode())].sum(0) for sentence in sentences])


def test_the_two_lists_are_openais():
    assert len(zs.templates("80")) == 80 and len(zs.templates("7")) == 7
    peer = pytest.importorskip("open_clip.zero_shot_metadata", reason="open_clip is not installed")
    assert [t.format("cat") for t in zs.templates("80")] == [t("cat") for t in peer.OPENAI_IMAGENET_TEMPLATES]
    assert [t.format("cat") for t in zs.templates("7")] == [t("cat") for t in peer.SIMPLE_IMAGENET_TEMPLATES]


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


def test_retrieval_both_ways_with_several_captions_is_that_of_sorting():
    draw = np.random.default_rng(0)
    image, text = draw.standard_normal((30, 8)), draw.standard_normal((75, 8))
    owner = np.sort(np.concatenate([np.arange(30), draw.integers(0, 30, 45)]))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (image, text)]
    score = unit[0] @ unit[1].T
    ranks = {"image_to_text": [], "text_to_image": []}
    for picture in range(30):
        order = np.argsort(-score[picture])
        best = next(place for place, caption in enumerate(order) if owner[caption] == picture)
        ranks["image_to_text"].append(best + 1 - 0)
    for caption in range(75):
        ranks["text_to_image"].append(int(np.flatnonzero(np.argsort(-score[:, caption]) == owner[caption])[0]) + 1)
    found = pair_retrieval(image.astype(np.float32), text.astype(np.float32), owner)
    for way, placed in ranks.items():
        for k in (1, 5, 10):
            assert found[f"{way}_recall_at_{k}"] == pytest.approx(np.mean(np.array(placed) <= k)), (way, k)
        assert found[f"{way}_median_rank"] == pytest.approx(np.median(placed))
    assert found["recall_at_5"] == pytest.approx(
        (found["image_to_text_recall_at_5"] + found["text_to_image_recall_at_5"]) / 2
    )


def test_a_collapsed_model_finds_nothing():
    same = np.ones((20, 4), np.float32)
    assert pair_retrieval(same, same, np.arange(20))["recall_at_10"] == 0
