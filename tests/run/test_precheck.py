"""What cannot run whatever the data hold is said before they are read."""

import pytest

from kontrast import train
from kontrast.errors import Unfit


def quiet(text):
    """Nobody listens."""


REFUSED = [  # words -> what the sentence names; refused without a look at the data, which are not there
    ({"encoder": "resnet19"}, "resnet18"),
    ({"validate": "nowhere"}, "--validate nowhere"),
    ({"negatives": "guide:nowhere"}, "guide:nowhere"),
    ({"weights_from": "nowhere"}, "--from nowhere"),
    ({"temperature": float("inf")}, "finite"),
    ({"lr": float("nan")}, "--lr"),
    ({"chunk": "0"}, "--chunk 0"),
    ({"pooler": "mean"}, "--pooler means nothing"),
    ({"method": "simcse", "crops": "2x10"}, "--crops means nothing"),
    ({"method": "simcse", "white": 4095}, "--white means nothing"),
    ({"method": "clip", "channels": 1}, "--channels 1"),
    ({"method": "clip", "pretrained": True}, "--pretrained means nothing"),
    ({"set": ["momentum=nan"], "method": "moco"}, "finite"),
    ({"negatives": "reweighted:inf"}, "reweighted"),
    ({"optimizer": "adamw:eps=nan"}, "eps"),
    ({"out": ""}, "--out is empty"),
    ({"encoder": " "}, "encoder"),
]


@pytest.mark.parametrize("words,named", REFUSED, ids=[str(words) for words, _ in REFUSED])
def test_what_words_alone_forbid_is_said_before_anything_is_read(words, named):
    with pytest.raises(Unfit) as told:
        train("data-that-are-not-there", say=quiet, **{"out": "not-made", **words})
    assert named in str(told.value)
