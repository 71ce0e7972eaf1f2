"""OpenAI's sentences for class names."""

import pytest

from kontrast.evaluate import zero_shot as zs


def test_the_two_lists_are_openais():
    assert len(zs.templates("80")) == 80 and len(zs.templates("7")) == 7
    peer = pytest.importorskip("open_clip.zero_shot_metadata", reason="open_clip is not installed")
    assert [t.format("cat") for t in zs.templates("80")] == [t("cat") for t in peer.OPENAI_IMAGENET_TEMPLATES]
    assert [t.format("cat") for t in zs.templates("7")] == [t("cat") for t in peer.SIMPLE_IMAGENET_TEMPLATES]
