"""The protocols there are: each under its own name, each metric once, found under either spelling."""

import pytest

from kontrast.errors import Unfit
from kontrast.evaluate.registry import PROTOCOLS, metrics, protocol_named


def test_each_stands_under_its_own_name():
    assert all(protocol.name == name for name, protocol in PROTOCOLS.items())
    assert all(protocol.models for protocol in PROTOCOLS.values())


def test_every_metric_is_there_once_in_the_order_of_tables():
    names = [metric.name for protocol in PROTOCOLS.values() for metric in protocol.metrics]
    assert list(metrics()) == list(dict.fromkeys(names)) and "knn_top1" in names


def test_both_spellings_and_none():
    assert protocol_named("few-label") is protocol_named("few_label") is PROTOCOLS["few_label"]
    with pytest.raises(Unfit, match=r"'probe' is not known\. Choose from knn, linear"):
        protocol_named("probe")
