"""Pictures and captions from data to a folder: train, load, embed, evaluate, go on from old weights, refuse."""

import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from tests.modalities.pairs.coloured import COLOURS, QUICK

import kontrast
from kontrast.commands.embed import embed
from kontrast.commands.search import search
from kontrast.encoders.clip.hugging_face import HuggingFaceTower
from kontrast.encoders.text import tokens
from kontrast.errors import Unfit
from kontrast.evaluate.formatting import table
from kontrast.evaluate.two_towers import sentence
from kontrast.modalities.pairs import kept
from kontrast.training import checkpoints

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")


pytest.importorskip("tokenizers", reason="tokenizers is not installed")


def test_a_run_learns_its_words_and_leaves_an_evaluated_folder(run):
    made, said = run
    learned = made.summary["evaluation"]["learned"]
    assert learned["zero_shot_top1"] >= 0.75 and made.summary["evaluation"]["about"]["chance"]["zero_shot_top1"] == 0.25
    assert {"recall_at_1", "recall_at_10", "median_rank", "text_to_image_recall_at_5"} <= learned.keys()
    assert (made.path / "model" / "tokenizer.json").is_file() and any("zero-shot top-1" in line for line in said)


def test_a_new_run_from_old_weights_is_told_what_it_lost(run, data, tmp_path):
    made, _ = run
    more = {**QUICK, "epochs": 1, "lr": 1e-12}
    out = str(tmp_path / "on")
    on = kontrast.train(data, labels="colour", out=out, weights_from=made.path, say=lambda _: None, **more)
    evaluation = on.summary["evaluation"]
    assert evaluation["before"]["zero_shot_top1"] == made.summary["evaluation"]["learned"]["zero_shot_top1"]
    assert "WARNING" not in on.summary["learned"]
    fallen = {**evaluation, "learned": {**evaluation["learned"], "zero_shot_top1": 0.1}}
    assert "zero-shot top-1 fell from" in sentence(fallen) and "mixed(START, END" in sentence(fallen)
    assert len(table(evaluation)) >= 8


def test_the_evaluation_is_that_of_the_command_line_too(run, data):
    from kontrast.commands.evaluate import evaluate as from_words

    made, _ = run
    result, lines = from_words(made.path, data, labels="colour")
    assert result["learned"]["zero_shot_top1"] >= 0.75 and "random" in lines[0]


def test_pictures_without_captions_are_refused(tmp_path):
    pictures = np.zeros((30, 12, 12, 3), np.uint8)
    with pytest.raises(Unfit, match="needs pictures with captions"):
        kontrast.train(pictures, out=str(tmp_path / "x"), **QUICK)


def test_the_report_shows_captions_with_pictures_and_pictures_with_captions(run):
    page = (run[0].path / "report.html").read_text()
    for words in ("Captions find pictures", "Pictures find captions", "What counted as the same", "Temperature"):
        assert words in page
    assert page.count('class="quote"') == 2 * 10 + 6 and "belongs to it" in page


def test_pictures_and_captions_are_embedded_and_found_by_words(run, data, tmp_path):
    made, _ = run
    lines = embed(made.path, data, tmp_path / "x.npy")
    assert np.load(tmp_path / "x.npy").shape == (120, made.model.width) and "captions" in lines[-1]
    assert np.load(tmp_path / "x.captions.npy").shape[0] == 240
    hits = search(made.path, data, "a red picture", 8, sheet=tmp_path / "found.png")["hits"]
    assert sum(hit["row"] % 4 == 0 for hit in hits) >= 6 and (tmp_path / "found.png").is_file()
    Image.new("RGB", (12, 12), COLOURS["blue"]).save(tmp_path / "blue.png")
    hits = search(made.path, data, str(tmp_path / "blue.png"), 8, sheet=tmp_path / "b.png")["hits"]
    assert sum(hit["row"] % 4 == 2 for hit in hits) >= 6
    (tmp_path / "words.txt").write_text("it is red\nit is white\n")
    assert search(made.path, tmp_path / "words.txt", "a white picture", 1)["hits"][0]["name"] == "it is white"


def test_long_and_repeated_captions_are_said_before_the_first_step(run):
    assert any("captions come more than once: equal ones are not pushed apart" in line for line in run[1])


def test_siglip_runs_and_its_folder_keeps_the_bias(data, tmp_path):
    how = {**QUICK, "epochs": 2, "set": ["loss=sigmoid"]}
    made = kontrast.train(data, out=str(tmp_path / "run"), say=lambda _: None, **how)
    again = kontrast.load(made.path)
    assert again.encoder.logit_bias is not None and again.encoder.logit_bias.item() != -10
    torch.testing.assert_close(again.embed_text(["it is red"]), made.model.embed_text(["it is red"]))


@pytest.fixture
def bert(tmp_path, monkeypatch):
    """Writes a folder with a small BERT of random weights by the seed, and the words of the captions."""
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    transformers = pytest.importorskip("transformers")
    captions = [f"{start} {name}{end}" for name in COLOURS for start, end in (("a", " picture"), ("it is", ""))]
    words = tokens.trained(captions, max_length=16)
    shape = transformers.BertConfig(vocab_size=words.size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                    intermediate_size=20, pad_token_id=words.pad_id)  # fmt: skip

    def write(seed):
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            transformers.BertModel(shape, add_pooling_layer=False).save_pretrained(tmp_path / "bert")
        words.save(tmp_path / "bert")
        return {"set": [f"text={tmp_path / 'bert'}", "lock=text"]}

    return write


def test_a_locked_text_tower_reads_each_caption_once_and_the_run_is_the_same(data, bert, tmp_path, monkeypatch):
    asked, plain, locked = [], HuggingFaceTower.read, bert(0)
    monkeypatch.setattr(HuggingFaceTower, "read", lambda net, ids: (asked.append(len(ids)), plain(net, ids))[1])

    def trained(name, epochs, read_bytes):
        """The losses, how many captions the tower read in all, and whether reading them once was told."""
        monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / f"cache of {name}"))
        monkeypatch.setattr(kept, "WHOLE_BYTES", read_bytes)
        monkeypatch.setattr(kept, "MOST_BYTES", read_bytes)
        asked.clear()
        said, more = [], {**QUICK, **locked, "epochs": epochs, "precision": "fp32"}
        kontrast.train(data, out=str(tmp_path / name), say=said.append, validate="none", **more)
        rows = map(json.loads, (tmp_path / name / "log.jsonl").read_text().splitlines())
        return [row["loss"] for row in rows if "loss" in row], sum(asked), "read each of 240 captions once" in str(said)

    once, few, told = trained("once", 3, 1 << 30)
    every, many, untold = trained("every", 3, 0)
    assert told and not untold
    np.testing.assert_allclose(once, every, rtol=2e-5)
    assert many - few == 64 + 3 * 7 * 16 - 240  # the first 64 told that their vectors take too much
    _, _, told = trained("short", 1, 1 << 30)
    assert not told  # one epoch reads half of the captions


def test_a_resumed_run_reads_with_the_weights_it_had(data, bert, tmp_path):
    """The folder of the text tower holds other weights by then."""
    more = {**QUICK, **bert(0), "epochs": 3, "validate": "none", "say": lambda _: None}

    def stop(row, steps):
        if row.get("step", 0) >= 9:
            signal.raise_signal(signal.SIGTERM)

    kontrast.train(data, out=str(tmp_path / "whole"), **more)
    kontrast.train(data, out=str(tmp_path / "stopped"), show=stop, **more)
    bert(1)
    kontrast.train(resume=str(tmp_path / "stopped"), say=lambda _: None)
    whole, resumed = (checkpoints.load(checkpoints.found(tmp_path / name / "checkpoints")[-1])[0]
                      for name in ("whole", "stopped"))  # fmt: skip
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_captions_changed_by_rule_join_the_pictures_side(tmp_path):
    """A picture is told from the captions of its batch and as many changed ones; a caption from the pictures alone."""
    rows = [f"{row}.png,a red dot left of {row}" for row in range(12)]
    for row in range(12):
        Image.new("RGB", (8, 8), (20 * row, 0, 0)).save(tmp_path / f"{row}.png")
    (tmp_path / "pairs.csv").write_text("\n".join(["image,text", *rows]))
    more = {**QUICK, "epochs": 2, "batch_size": 4}
    said, out = [], tmp_path / "run"
    kontrast.train(tmp_path / "pairs.csv", negatives="rules:relation", out=str(out), say=said.append, **more)
    assert "the rules change 12 of the first 12 captions" in " ".join(said)
    logged = map(json.loads, (out / "log.jsonl").read_text().splitlines())
    guessed = [row["guessing"] for row in logged if "loss" in row]
    np.testing.assert_allclose(guessed, (np.log(4) + np.log(8)) / 2, rtol=1e-6)
