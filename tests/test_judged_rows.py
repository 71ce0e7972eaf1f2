"""Rows a, b, label from a table to a model: the margin loss on labelled pairs of pictures and of sentences."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import kontrast
from kontrast import keyed, losses
from kontrast.commands.evaluate import evaluate
from kontrast.commands.preview import preview
from kontrast.data import scored_pairs
from kontrast.data.open import open_source
from kontrast.data.sampler import Sampler, own_rows
from kontrast.distributed import gather, processes
from kontrast.errors import Unfit
from kontrast.evaluate.scored_pairs import auc_interval, pair_auc
from kontrast.methods.method import Embeddings, Outcome
from kontrast.methods.simclr import Config, SimCLR
from kontrast.methods.supervised import supervised
from kontrast.modalities.images.batches import ImageBatches
from kontrast.positives.images import papers
from kontrast.run.plan import planned_on
from kontrast.settings import Settings
from kontrast.training import watch
from kontrast.verify import chunks, multiprocess, tiny_methods
from tests.training import test_many

SIDE, PICTURES, ROWS = 10, 60, 200
WORDS = "sun moon star rain snow wind leaf root seed bird fish wolf bread salt milk stone iron gold boat road".split()  # noqa: SIM905
QUICK = {"epochs": 3, "batch_size": 20, "threads": 1, "device": "cpu", "say": lambda _: None}
PICTURED = {**QUICK, "method": "simclr", "encoder": "small", "views": "none", "epochs": 6}
WORDED = {**QUICK, "method": "simcse", "encoder": "static", "epochs": 6}


def drawn(below: int, *key: keyed.Key) -> int:
    return int(keyed.below(below, "rows", *key))


def picture(number: int) -> np.ndarray:
    """Noise with one bright side of four. Opposite sides are similar, which pixels do not say."""
    pixels = keyed.below(150, "pixels", number, np.arange(SIDE * SIDE)).reshape(SIDE, SIDE).astype(np.uint8)
    np.rot90(pixels, number % 4)[:3] += 100
    return pixels


def sentence(topic: int, half: int, row: int) -> str:
    """Six words of a half of a topic: the two of a row share none, so nobody knows without learning."""
    own = WORDS[5 * topic : 5 * topic + 5][half::2]
    return " ".join(own[n] for n in keyed.below(len(own), "words", half, row, np.arange(6)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pictures.csv, sentences.csv, and scores.csv from 0 to 5; every second row is similar."""
    folder = tmp_path_factory.mktemp("judged")
    for number in range(PICTURES):
        Image.fromarray(picture(number)).save(folder / f"{number:02}.png")
    rows, texts = [], []
    for row in range(ROWS):
        a, step = drawn(PICTURES, row), drawn(3, "step", row) + 1
        b = (a + 4 * drawn(PICTURES // 4, "b", row) + (2 if row % 2 else 1 + 2 * (step % 2))) % PICTURES
        rows.append(f"{a:02}.png,{b:02}.png,{row % 2}")
        topic = drawn(4, "topic", row)
        other = topic if row % 2 else (topic + step) % 4
        texts.append((sentence(topic, 0, row), sentence(other, 1, row), row % 2))
    (folder / "pictures.csv").write_text("\n".join(["a,b,label", *rows]))
    (folder / "sentences.csv").write_text(
        "\n".join(["sentence1,sentence2,label", *(f"{a},{b},{y}" for a, b, y in texts)])
    )
    (folder / "scores.csv").write_text(
        "\n".join(["sentence1,sentence2,score", *(f"{a},{b},{5 * y}" for a, b, y in texts)])
    )
    return folder


# ---- the step ------------------------------------------------------------------------------------------------------


def by_hand(first: np.ndarray, second: np.ndarray, similar: list[bool], margin: float, kind: str):
    """Hadsell, Chopra, LeCun 2006, equation 4, pair by pair: (mean loss, gradients by first and by second)."""
    total, gradients = 0.0, np.zeros((2, *first.shape))
    for row, (a, b, alike) in enumerate(zip(first, second, similar)):
        if kind == "euclidean":
            d = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
            by_a, by_b = (a - b) / d, (b - a) / d
        else:
            na, nb = math.sqrt(a @ a), math.sqrt(b @ b)
            cosine = (a @ b) / (na * nb)
            d = 1 - cosine
            by_a, by_b = -(b / (na * nb) - cosine * a / na**2), -(a / (na * nb) - cosine * b / nb**2)
        total += d * d / 2 if alike else max(0.0, margin - d) ** 2 / 2
        slope = d if alike else -max(0.0, margin - d)
        gradients[0, row], gradients[1, row] = slope * by_a, slope * by_b
    return total / len(first), gradients / len(first)


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_the_step_is_hadsells(name: str, kind: str) -> None:
    """Loss and gradient of `compare` in float64, guessing and signs with them."""
    draw = torch.Generator().manual_seed(0)
    views = torch.randn(2, 7, 16, dtype=torch.float64, generator=draw, requires_grad=True)
    alike = [True, False, False, True, False, True, False]
    method = tiny_methods.method(name)
    method.config = replace(method.config, margin=4.0 if kind == "euclidean" else 0.9, similarity=kind, negatives="")
    method.negatives.requested = replace(method.negatives.requested, mixed=0)
    similar = torch.tensor(alike, dtype=torch.float64)[:, None]
    z = Embeddings({"views": views, "similar": similar}, torch.arange(7), 0, 9, 0, views[0].detach())
    outcome = supervised(method, name, scored=True, grouped=False).compare(z)
    outcome.loss.backward()
    margin = method.config.margin
    loss, gradients = by_hand(*views.detach().numpy(), alike, margin, kind)
    assert float(outcome.loss.detach()) == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(views.grad.numpy(), gradients, atol=1e-12)
    assert outcome.guessing == pytest.approx(min(3 / 7 * d**2 / 2 + 4 / 7 * max(0, margin - d) ** 2 / 2
                                                 for d in np.linspace(0, margin, 10_001)), rel=1e-6)  # fmt: skip
    assert {"similar", "similar_apart", "dissimilar_apart"} <= outcome.diagnostics.keys()
    assert float(outcome.diagnostics["similar"]) == pytest.approx(3 / 7, rel=1e-6)


def judged_batch(name: str, step: int):
    """The batch of a step, every third row similar; sentences in their second half other ones."""
    batch = tiny_methods.batch(name, step)
    similar = (batch.ids_B % 3 == 0).double()[:, None]
    views = batch.views
    if isinstance(views[0], dict):
        views = (views[0], {key: part.roll(1, 0) for key, part in views[1].items()})
    return replace(batch, views=views, given={"similar": similar})


def gradient_of(name: str, batch, size: int = 0):
    method = tiny_methods.method(name, norm="group")
    method.negatives.queue = None
    return chunks._step(supervised(method, name, scored=True, grouped=False), batch, size)


@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_chunks_are_the_whole(name: str) -> None:
    whole, cut = (gradient_of(name, judged_batch(name, 1), size) for size in (0, 7))
    assert tiny_methods.distance(cut, whole) < 1e-10


def in_a_world(name: str) -> float:
    """In each process: the gradient of the joined step against that of one process on all rows."""
    whole = judged_batch(name, 1)
    part = tiny_methods.rows_of(whole, own_rows(tiny_methods.ROWS, gather.rank(), gather.processes()))
    ours = gradient_of(name, part)
    with gather.alone():
        wanted = gradient_of(name, whole)
    return processes.largest(tiny_methods.distance(ours, wanted))[0]


@pytest.mark.parametrize("name", ["simclr", "simcse"])
def test_two_processes_are_one(name: str) -> None:
    assert multiprocess.ask(2, in_a_world, name) < 1e-8


# ---- the data ------------------------------------------------------------------------------------------------------


def test_rows_of_pictures_become_the_samples(data: Path) -> None:
    rows = scored_pairs.decided(scored_pairs.by_rows(open_source(data / "pictures.csv")), None)
    assert rows.kind == "scored_pairs" and rows.ids.tolist() == list(range(ROWS)) and len(rows) == 2 * ROWS
    lines = [line.split(",") for line in (data / "pictures.csv").read_text().splitlines()[1:]]
    for row in (0, 1, 77):
        a, b, label = lines[row]
        assert rows.names[row] == a and rows.names[row + ROWS] == b and rows.columns["similar"][row] == int(label)
        for place, name in ((row, a), (row + ROWS, b)):
            assert torch.equal(rows.images([place])[0][0], torch.from_numpy(np.array(Image.open(data / name))))
    once = scored_pairs.each_once(rows)
    assert len(once.ids) == len({name for a, b, _ in lines for name in (a, b)})
    assert len({once.names[i] for i in once.ids}) == len(once.ids)


def test_a_batch_has_each_row_and_its_label(data: Path) -> None:
    """View by view the two pictures of a row, whatever batch they come in; labels beside them."""
    rows = scored_pairs.decided(scored_pairs.by_rows(open_source(data / "pictures.csv")), None)
    recipe = papers.recipe("none", SIDE, 1)
    batches = ImageBatches(rows, Sampler(rows.ids, 16, 3, 10), recipe, device="cpu")
    batch = batches(4)
    assert len(batch.views) == 2 and batch.given["similar"].shape == (16, 1)
    for place, row in enumerate(batch.ids_B.tolist()):
        assert batch.given["similar"][place, 0] == row % 2
        for view, sample in zip(batch.views, (row, row + ROWS)):
            plain = (rows.images([sample])[0].float() / 255 - recipe.mean[0]) / recipe.std[0]
            torch.testing.assert_close(view[place], plain, atol=1e-5, rtol=0)
    parts = [ImageBatches(rows, Sampler(rows.ids, 16, 3, 10, rank, 2), recipe)(4) for rank in (0, 1)]
    for both, joined in ((torch.cat([p.given["similar"] for p in parts]), batch.given["similar"]),
                         (torch.cat([p.views[1] for p in parts]), batch.views[1])):  # fmt: skip
        assert torch.equal(both, joined)


def test_a_split_of_rows_is_taken(data: Path, tmp_path: Path) -> None:
    lines = (data / "pictures.csv").read_text().splitlines()
    parts = [f"{data}/{line}".replace(",", f",{data}/", 1) for line in lines[1:]]
    shutil.copytree(data, tmp_path / "copy")
    table = [f"{line},{'dev' if row % 4 == 0 else 'train'}" for row, line in enumerate(lines[1:])]
    (tmp_path / "copy" / "split.csv").write_text("\n".join([f"{lines[0]},split", *table]))
    assert parts
    source = open_source(tmp_path / "copy" / "split.csv", split="dev")
    assert len(source.scored[0]) == ROWS // 4 and any(
        "splits: dev 50, train 150; dev chosen" in s for s in source.messages
    )


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["moco", "moco-v2", "swav", "byol", "barlow-twins", "clip", "simcse"])
def test_methods_without_the_margin_refuse_rows_of_pictures(method: str, data: Path) -> None:
    with pytest.raises(Unfit, match=rf"rows of two pictures and a label .*{method} has no use .*--method simclr has"):
        kontrast.train(data / "pictures.csv", method=method, dry_run=True, say=QUICK["say"])


@pytest.mark.parametrize("method", ["simclr", "moco", "clip"])
def test_methods_on_pictures_refuse_rows_of_sentences(method: str, data: Path) -> None:
    with pytest.raises(Unfit, match=r"rows of two sentences .*--method simcse has"):
        kontrast.train(data / "sentences.csv", method=method, dry_run=True, say=QUICK["say"])


@pytest.mark.parametrize(
    "file,how,words",
    [
        ("scores.csv", {}, r"scores from 0 to 5, not only 0 and 1: say from which .*--similar-from 4"),
        ("scores.csv", {"similar_from": 9}, "all 180 rows to train on are dissimilar"),
        ("sentences.csv", {"similar_from": 0}, "all 180 rows to train on are similar"),
        ("sentences.csv", {"similarity": "dot"}, "--similarity dot is no distance"),
        ("sentences.csv", {"negatives": "queue:64"}, "--negatives has no place on rows a, b, label"),
        ("sentences.csv", {"decoupled": True}, "--decoupled has no place"),
        ("sentences.csv", {"set": ["margin=0"]}, "a number greater than 0 was expected"),
    ],
)
def test_what_the_margin_has_no_place_for_is_refused(file: str, how: dict, words: str, data: Path) -> None:
    with pytest.raises(Unfit, match=words):
        kontrast.train(data / file, **{**WORDED, **how}, dry_run=True)


def test_same_and_crops_are_refused_and_a_threshold_needs_scores(data: Path, tmp_path: Path) -> None:
    for name, value in (("same", "folder"), ("crops", "2x10+2x6")):
        with pytest.raises(Unfit, match=f"--{name} has no place on rows a, b, label"):
            kontrast.train(data / "pictures.csv", **{**PICTURED, name: value}, dry_run=True)
    with pytest.raises(Unfit, match="--similar-from is for rows a, b, score"):
        kontrast.train("digits", method="simclr", similar_from=1, dry_run=True, say=QUICK["say"])


# ---- runs ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictured(data: Path, tmp_path_factory: pytest.TempPathFactory):
    return kontrast.train(data / "pictures.csv", out=str(tmp_path_factory.mktemp("runs") / "p"), **PICTURED)


@pytest.fixture(scope="module")
def worded(data: Path, tmp_path_factory: pytest.TempPathFactory):
    pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    return kontrast.train(data / "sentences.csv", out=str(tmp_path_factory.mktemp("runs") / "t"), **WORDED)


@pytest.mark.parametrize("kind", ["pictured", "worded"])
def test_held_out_rows_are_told_apart_better_than_at_random(kind: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(kind)
    found = run.summary["evaluation"]
    assert found["learned"]["pair_auc"] > max(0.8, found["random_weights"]["pair_auc"])
    assert found["about"]["chance"]["pair_auc"] == 0.5 and found["about"]["items"] == ROWS // 10
    assert run.exit_code == 0 and run.summary["verdict"].startswith("healthy: similar pairs are")
    assert "the similar one is nearer" in run.summary["learned"]
    rows = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    ours = [row for row in rows if "loss" in row]
    assert ours[-1]["loss"] < ours[-1]["guessing"] <= 1 / 8 and ours[0]["loss"] > ours[-1]["loss"]
    assert any("held_out_loss" in row for row in rows)
    assert (run.path / "report.html").stat().st_size > 1000


def test_a_run_on_pictures_is_evaluated_again_and_previewed(pictured, data: Path, tmp_path: Path) -> None:
    result, lines = evaluate(pictured.path, data / "pictures.csv")
    assert result["learned"]["pair_auc"] > 0.8 and any("similar pair nearer" in line for line in lines)
    told = preview(data / "pictures.csv", tmp_path / "a.png", method="simclr", views="none")
    assert any("second picture of the row" in line for line in told)


def test_scores_are_cut_where_the_user_says(worded, data: Path, tmp_path: Path) -> None:
    """Scores 0 and 5 cut at 4 are the labels 1 and 0: the same weights; a resumed run knows the threshold."""
    run = kontrast.train(data / "scores.csv", out=str(tmp_path / "cut"), similar_from=4.0, **WORDED)
    wanted, found = (load_file(next((r.path / "model").rglob("model.safetensors"))) for r in (worded, run))
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert run.plan.settings.similar_from == 4.0


def test_a_resumed_run_ends_with_the_same_bits(pictured, data: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    shutil.copytree(pictured.path, part)
    (part / "summary.json").unlink()
    newest = sorted((part / "checkpoints").iterdir())[-1]
    shutil.rmtree(newest) if newest.is_dir() else newest.unlink()
    resumed = kontrast.train(resume=part, say=QUICK["say"])
    wanted, found = (r.model.encoder.state_dict() for r in (pictured, resumed))
    assert resumed.ending == "done" and all(torch.equal(wanted[name], found[name]) for name in wanted)


def test_a_changed_label_is_other_data(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "copy")
    path = tmp_path / "copy" / "pictures.csv"
    before = open_source(path).fingerprint
    path.write_text(path.read_text()[:-1] + "0")
    assert open_source(path).fingerprint != before


# ---- words ---------------------------------------------------------------------------------------------------------


def looked_at(views: torch.Tensor, similar: torch.Tensor, **how) -> watch.Watch:
    plain = SimCLR(torch.nn.Flatten(), views.shape[-1], Config(**how))
    method = supervised(plain, "simclr", scored=True, grouped=False)
    z = Embeddings({"views": views, "similar": similar[:, None]}, torch.arange(len(similar)), 0, 9, 0, views[0])
    seen = watch.Watch(steps=10)
    for _ in range(4):
        outcome: Outcome = method.compare(z)
        seen.look(outcome)
    return seen


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
def test_one_point_is_called_collapsed_and_learned_rows_are_not(kind: str) -> None:
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    point = torch.ones(2, 32, 8) + 1e-3 * u
    seen = looked_at(point, similar, similarity=kind)
    assert seen.collapsed(9) and seen.verdict(9).startswith("collapsed: all outputs are one point")
    learned = torch.stack([u[0], torch.where(similar[:, None] > 0, u[0] + 0.01 * u[1], -u[0])])
    seen = looked_at(learned, similar, similarity=kind)
    assert not seen.collapsed(9) and seen.verdict(9).startswith("healthy: similar pairs are 0.0")
    assert seen.last["retrieval_at_1"] == 1.0 and seen.last["retrieval_chance"] == pytest.approx(1 / 16)


def test_far_from_the_origin_euclidean_distances_are_not_accused() -> None:
    """All directions agree there (spread 0.004), and the rows are told apart all the same."""
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    seen = looked_at(
        300 + torch.stack([u[0], torch.where(similar[:, None] > 0, u[0], -u[0])]), similar, similarity="euclidean"
    )
    assert seen.last["spread"] < 0.1 * seen.last["healthy_spread"] and not seen.collapsed(9)
    assert seen.verdict(9).startswith("healthy")


def test_rows_that_are_not_told_apart_are_called_guessing_and_one_kind_is_not() -> None:
    u = torch.randn(2, 32, 8, generator=torch.Generator().manual_seed(0))
    similar = (torch.arange(32) % 2 == 0).float()
    assert looked_at(u, similar).verdict(9).startswith("guessing: the loss")
    wide = torch.stack([9 * u[0], torch.where(similar[:, None] > 0, 9 * u[0] + u[1], -9 * u[0])])
    assert "has not come down" in looked_at(wide, similar, similarity="euclidean").verdict(9)
    for only in (torch.ones(32), torch.zeros(32)):
        assert looked_at(u, only).verdict(9).startswith("healthy")


def test_guessing_is_the_least_that_one_distance_costs() -> None:
    for share, margin in ((0.5, 1.0), (0.1, 2.0)):
        costs = [share * d**2 / 2 + (1 - share) * max(0, margin - d) ** 2 / 2 for d in np.linspace(0, margin, 4001)]
        assert losses.chance("margin", similar=share, margin=margin) == pytest.approx(min(costs), rel=1e-5)


def test_pair_auc_counts_pairs_and_ties_as_halves() -> None:
    likeness, similar = [0.9, 0.2, 0.2, 0.5, 0.1], [1, 1, 0, 0, 0]
    near, far = ([value for value, alike in zip(likeness, similar) if alike == kind] for kind in (1, 0))
    wins = [(a > b) + 0.5 * (a == b) for a in near for b in far]
    assert pair_auc(likeness, similar) == pytest.approx(sum(wins) / len(wins))
    assert math.isnan(pair_auc(likeness, [1] * 5))
    low, high = auc_interval(0.8, 50, 50)
    assert 0.7 < low < 0.8 < high < 0.9 and auc_interval(1.0, 5, 5) == [1.0, 1.0]


def test_the_plan_says_the_margin_and_no_temperature(data: Path) -> None:
    said: list[str] = []
    kontrast.train(data / "pictures.csv", **{**PICTURED, "say": said.append}, set=["margin=0.5"], dry_run=True)
    told = "\n".join(said)
    assert "90 of 180 similar" in told or "of 180 similar; margin 0.5 in 1 - cosine, no temperature" in told
    assert "temperature 0" not in told.rpartition("plan ")[2] and "judged pairs" in told
    plan, parts = planned_on(data / "pictures.csv", Settings(method="simclr", similarity="euclidean"))
    assert plan.config.similarity == "euclidean" and len(parts.train_ids) == ROWS - len(parts.check_ids) == 180


@pytest.mark.proof
@pytest.mark.parametrize("file,how", [("pictures.csv", PICTURED), ("sentences.csv", WORDED)])
def test_a_run_of_two_processes_is_that_of_one(file: str, how: dict, data: Path, tmp_path: Path) -> None:
    """From the command's words on; 23 rows are 12 and 11."""
    words = {**how, "data": str(data / file), "batch_size": 23, "epochs": 1, "validate": "none"}
    words |= {"optimizer": "sgd", "lr": 0.01}
    words.pop("say")
    for count in (1, 2):
        codes, said = test_many.world(count, {**words, "out": str(tmp_path / str(count))}, tmp_path / f"said{count}")
        assert codes == [0] * count, said
    alone, together = (test_many.losses(tmp_path / name) for name in "12")
    assert len(alone) == ROWS // 23
    np.testing.assert_allclose(together, alone, rtol=1e-4)
