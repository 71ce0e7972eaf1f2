"""How pictures are made ready is the publisher's or the user's word, and never a guess."""

import pytest

from kontrast.encoders.images.publishers import IMAGENET, PLAIN, SWAV, publisher_of
from kontrast.errors import Unfit
from kontrast.exchange.published_pixels import Asked, look

MOCO = publisher_of(["encoder_q.conv1.weight"])
WHOLE = Asked(size=32, mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2), interpolation="bicubic", crop_pct=1.0)


def test_the_publishers_word_stands_unless_the_user_has_another():
    made, words = look(MOCO, Asked())
    assert made == IMAGENET and words.startswith("as MoCo's own program has them: mean (0.485")
    made, words = look(MOCO, Asked(size=96))
    assert (made.size, made.mean) == (96, IMAGENET.mean) and words.startswith("as asked")
    vissl = publisher_of(["trunk._feature_blocks.conv1.weight"])
    assert look(vissl, Asked())[0] == IMAGENET
    swav = publisher_of(["conv1.weight", "projection_head.0.weight"])
    assert look(swav, Asked())[0] == SWAV and look(swav, Asked(preset="imagenet"))[0] == IMAGENET


def test_what_nobody_says_is_asked_for_by_its_flag():
    with pytest.raises(Unfit, match="Give --size, --mean, --std, --interpolation, --crop; or --pixels imagenet"):
        look(PLAIN, Asked())
    assert look(PLAIN, WHOLE)[0].size == 32 and look(PLAIN, Asked(preset="imagenet"))[0] == IMAGENET


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(preset="cifar"), '"imagenet" was expected'),
        (Asked(mean=(0.5,)), "a number a channel each"),
        (Asked(std=(0.2, 0.0, 0.2)), "--std above 0"),
        (Asked(interpolation="lanczos"), "none of bicubic"),
        (Asked(crop_pct=0.0), "crop_pct must be above 0"),
        (Asked(size=0), "--size: pixels"),
    ],
)
def test_values_that_cannot_be_are_refused(asked, words):
    with pytest.raises(Unfit, match=words):
        look(MOCO, asked)
