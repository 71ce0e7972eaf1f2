"""`kontrast worth`: what is measured, in what time, and that chance is never called worth it."""

import json

import numpy as np
import pytest
from PIL import Image
from tests.run.test_frozen import encoder, pictures  # noqa: F401  (fixtures)

import kontrast
from kontrast import cli, keyed
from kontrast.errors import Unfit
from kontrast.run.worth import _sample, answer


def found(difference, low, high, known=0.98):
    score = 0.5 + difference
    return {
        "score": score,
        "difference": difference,
        "range": [low, high],
        "known": known,
        "moves": 10,
        "seconds": 60.0,
    }


def judged(ways, test="neighbours of the same label", curve=()):
    best = max(ways, key=lambda way: ways[way]["difference"])
    result = {"test": test, "ways": ways, "best": best, "curve": list(curve), "samples": 1_000}
    return answer({**result, "frozen": {"score": 0.5}}, 10_000)


def test_only_a_gain_beyond_chance_is_worth_it():
    lucky = judged({"head": found(0.01, -0.01, 0.03), "full": found(0.02, -0.002, 0.04)})
    assert not lucky["worth"] and lucky["way"] is None and lucky["answer"].startswith("Not worth it")
    sure = judged({"head": found(0.01, -0.01, 0.03), "full": found(0.03, 0.01, 0.05)})
    assert sure["worth"] and sure["way"] == "full" and "about 10 min" in sure["answer"]


def test_without_labels_what_was_forgotten_counts():
    ways = {"head": found(0.01, 0.002, 0.03), "full": found(0.2, 0.1, 0.3, known=0.5)}
    assert judged(ways, "the other view of each")["way"] == "head"
    assert not judged({"full": ways["full"]}, "the other view of each")["worth"]
    assert "50%" in judged({"full": ways["full"]}, "the other view of each")["answer"]
    assert judged(ways)["way"] == "full"  # labels say that it is better


def test_the_curve_says_whether_more_data_would_help():
    parts = [{"samples": n, "difference": d} for n, d in ((250, 0.01), (500, 0.02), (1_000, 0.03))]
    assert "more should help" in judged({"full": found(0.03, 0.01, 0.05)}, curve=parts)["answer"]
    flat = [{**part, "difference": 0.03} for part in parts]
    assert "250 pictures gave nearly all" in judged({"full": found(0.03, 0.01, 0.05)}, curve=flat)["answer"]


def test_a_sample_is_as_large_as_the_time_allows():
    ids = np.arange(50_000)
    sizes = [len(_sample(ids, steps, 128)) for steps in (40, 100, 400, 10**6)]
    assert sizes == sorted(sizes) and sizes[-1] == 20_000 and sizes[0] < 1_000


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """600 pictures of noise, in four folders by chance."""
    folder = tmp_path_factory.mktemp("noise")
    pixels = keyed.below(256, "noise", np.arange(600 * 12 * 12 * 3)).reshape(600, 12, 12, 3).astype(np.uint8)
    for n, (picture, name) in enumerate(zip(pixels, keyed.below(4, "by chance", np.arange(600)))):
        (folder / str(name)).mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / str(name) / f"{n:03d}.png")
    return str(folder)


def test_what_cannot_be_asked_is_refused(pictures, noise, encoder, tmp_path):  # noqa: F811
    with pytest.raises(Unfit, match="has too few"):
        kontrast.worth(str(pictures), encoder=str(encoder))
    with pytest.raises(Unfit, match="worth is about trained weights"):
        kontrast.worth(noise, encoder="small", minutes=1)
    with pytest.raises(Unfit, match="leave --tune out"):
        kontrast.worth(noise, encoder=str(encoder), tune="head")
    with pytest.raises(Unfit, match="give more minutes"):
        kontrast.worth(noise, encoder=str(encoder), minutes=1e-6, batch_size=256)
    (tmp_path / "s.txt").write_text("a\nb\nc\n" * 50)
    with pytest.raises(Unfit, match="worth is for pictures"):
        kontrast.worth(str(tmp_path / "s.txt"), encoder=str(encoder))


def test_random_labels_are_not_worth_it_and_the_json_says_why(noise, encoder, capsys):  # noqa: F811
    """Whatever is learned, chance is not called a gain."""
    words = ["worth", noise, "--encoder", str(encoder), "--labels", "folder", "--minutes", "0.5", "--json"]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--threads", "1", "--batch-size", "32"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["worth"] is False and told["way"] is None and "Not worth it" in told["answer"]
    assert set(told["ways"]) == {"head", "lora:8", "full"}
    assert all(way["range"][0] <= way["difference"] <= way["range"][1] for way in told["ways"].values())
    assert told["ways"]["lora:8"]["moves"] < told["ways"]["full"]["moves"]
    assert [part["samples"] for part in told["curve"]] == sorted(part["samples"] for part in told["curve"])
