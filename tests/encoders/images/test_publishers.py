"""Whose weights they are, by their names alone."""

import pytest
from tests.exchange.publishers_files import PUBLISHED, network

from kontrast.encoders.images.publishers import IMAGENET, PLAIN, PUBLISHERS, SWAV, bare, elsewhere, publisher_of


def names_of(content):
    keys = ("state_dict", "online_network_state_dict", "classy_state_dict", "base_model", "model", "trunk")
    while found := next((content[key] for key in keys if key in content), None):
        content = found
    return list(content)


@pytest.fixture(scope="module")
def resnet18():
    return network("resnet18")


@pytest.mark.parametrize("layout", PUBLISHED)
def test_every_layout_is_told_from_all_others_and_in_any_order(resnet18, layout):
    whose, _, content = PUBLISHED[layout]
    names = names_of(content(resnet18))
    assert {publisher_of(bare(order)).name for order in (names, names[::-1])} == {whose}


def test_every_line_of_the_table_is_met_by_a_layout_or_the_last_two(resnet18):
    met = {publisher_of(bare(names_of(content(resnet18)))) for _, _, content in PUBLISHED.values()}
    unmet = [known for known in PUBLISHERS if known not in met]
    assert PLAIN in met
    assert {(known.name, known.encoder) for known in unmet} == {
        ("VISSL", "trunk._feature_blocks."),
        ("VISSL", "base_model.model.trunk._feature_blocks."),
        ("solo-learn", "encoder."),
        ("a program that is not known", "backbone."),
        ("a program that is not known", "encoder."),
    }
    assert publisher_of(["encoder.conv1.weight", "projector.0.weight", "classifier.weight"]).pads_two


def test_the_prefix_of_parallel_training_goes_only_where_all_have_it():
    assert bare(["module.a", "module.b"]) == {"a": "module.a", "b": "module.b"}
    assert bare(["module.a", "b"]) == {"module.a": "module.a", "b": "b"}
    assert bare([]) == {}


def test_swav_divides_by_other_numbers_than_imagenet_has():
    assert (SWAV.std[0], IMAGENET.std[0]) == (0.228, 0.229) and SWAV.mean == IMAGENET.mean


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["visual.proj", "token_embedding.weight"], "OpenAI and open_clip"),
        (["text_model.a", "vision_model.b"], "transformers names"),
        (["embeddings.word_embeddings.weight"], "sentence encoder"),
        (["conv1.weight"], ""),
    ],
)
def test_what_needs_no_import_is_known(names, words):
    assert words in elsewhere(names) and bool(words) == bool(elsewhere(names))
