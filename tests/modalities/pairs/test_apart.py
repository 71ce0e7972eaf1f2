"""Two towers from two trained encoders: read once, joined by projections, and the same vectors from raw data."""

import json
import shutil
import signal

import numpy as np
import pytest
import torch
from tests.modalities.pairs.coloured import COLOURS

import kontrast
from kontrast.data.open import open_source
from kontrast.encoders.text import tokens
from kontrast.errors import Unfit
from kontrast.modalities.pairs import apart
from kontrast.training import checkpoints

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
QUICK = {"method": "clip", "epochs": 8, "threads": 1, "seed": 1}
SIDE = 32


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A picture encoder in timm's layout, with its own mean and crop, and a sentence encoder."""
    import timm

    place = tmp_path_factory.mktemp("towers")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        net = timm.create_model("test_efficientnet", num_classes=0)
        for _ in range(20):  # norms that have seen nothing make all pictures alike
            net.train()(torch.rand(32, 3, 1, 1).expand(-1, -1, SIDE, SIDE) * 2 - 1)
        net.pretrained_cfg = {**net.pretrained_cfg, "input_size": (3, SIDE, SIDE), "mean": (0.4,) * 3, "crop_pct": 0.9}
        timm.models.save_for_hf(net, str(place / "pictures"), model_config={"num_classes": 0})
        captions = [f"{start} {name}{end}" for name in COLOURS for start, end in (("a", " picture"), ("it is", ""))]
        words = tokens.trained(captions, max_length=16)
        size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
        shape = transformers.BertConfig(vocab_size=words.size, pad_token_id=words.pad_id, **size)
        transformers.BertModel(shape, add_pooling_layer=False).save_pretrained(place / "words")
    words.save(place / "words")
    return place / "pictures", place / "words"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KONTRAST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def trained(data, folders, out, *more, say=None, **settings):
    pictures, words = folders
    how = {**QUICK, **settings, "set": [f"text={words}", *more]}
    return kontrast.train(data, encoder=str(pictures), out=str(out), say=say or (lambda _: None), **how)


def test_both_towers_stand_still_by_default_with_a_reason_and_the_users_word_wins(data, folders, cache, tmp_path):
    said = []
    run = trained(data, folders, tmp_path / "run", say=said.append)
    told = "\n".join(said)
    assert "lock image text (published )" in told and "108 pairs are few" in told
    assert "read 108 pictures once, each in 3 looks" in told and "read each of 216 captions once" in told
    assert run.plan.config.drop == 0.5 and run.plan.settings.epochs == 8 and run.plan.settings.batch_size == 54
    own = trained(data, folders, tmp_path / "own", "lock=text", "drop=0", dry_run=True)
    assert (own.plan.config.lock, own.plan.config.looks, own.plan.settings.lr) == ("text", 0, 1e-4)


def test_a_loaded_model_makes_of_raw_data_what_the_kept_features_make(data, folders, cache, tmp_path):
    run = trained(data, folders, tmp_path / "run", "looks=1", validate="none")
    model, source = kontrast.load(run.path), open_source(data, channels=3)
    shapes = {len(np.load(file)): torch.from_numpy(np.load(file)) for file in cache.iterdir()}
    heads = run.model.encoder
    with torch.no_grad():
        from_pictures = heads.visual.head(shapes[120])
        from_words = heads.text.proj(shapes[240])
    captions = [caption for several in source.captions(source.ids) for caption in several]
    torch.testing.assert_close(model.embed_source(source, source.ids), from_pictures, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.embed_text(captions), from_words, rtol=0, atol=1e-5)


def test_the_towers_are_those_of_the_folders_and_see_what_they_were_trained_on(data, folders):
    import timm

    pictures, words = folders
    made = apart.started(pictures, str(words), [], SIDE, seed=0)
    assert made.look.mean == (0.4,) * 3 and made.look.crop_pct == 1  # open_clip's layout has no share of a crop
    net = timm.create_model(f"local-dir:{pictures}", pretrained=True, num_classes=0).eval()
    source = open_source(data, channels=3)
    pixels = made.look(source.images(source.ids[:4]))
    with torch.no_grad():
        torch.testing.assert_close(made.towers.eval().visual.read(pixels), net(pixels), rtol=1e-5, atol=1e-5)
        ids = made.captions(["a red picture", "it is blue"])
        theirs = transformers.AutoModel.from_pretrained(words).eval()
        mask = (ids != made.captions.pad_id).long()
        hidden = theirs(input_ids=ids, attention_mask=mask).last_hidden_state * mask[..., None]
        torch.testing.assert_close(made.towers.text.read(ids), hidden.sum(1) / mask.sum(1, keepdim=True))


@pytest.mark.parametrize("looks", [1, 3])
@pytest.mark.parametrize("lost", [False, True])
def test_a_resumed_run_ends_with_the_same_bits_whether_or_not_the_cache_is_there(
    data, folders, cache, tmp_path, looks, lost
):
    def stop(row, steps):
        if row.get("step", 0) >= 9:
            signal.raise_signal(signal.SIGTERM)

    more = [f"looks={looks}", "drop=0.5"]
    trained(data, folders, tmp_path / "whole", *more, validate="none")
    if lost:
        shutil.rmtree(cache)
    trained(data, folders, tmp_path / "stopped", *more, validate="none", show=stop)
    if lost:
        shutil.rmtree(cache)
    kontrast.train(resume=str(tmp_path / "stopped"), say=lambda _: None)
    whole, resumed = (checkpoints.load(checkpoints.found(tmp_path / name / "checkpoints")[-1])[0]
                      for name in ("whole", "stopped"))  # fmt: skip
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_several_looks_are_the_plain_one_and_the_views_of_the_first_epochs(data, folders, cache, tmp_path):
    run = trained(data, folders, tmp_path / "run", "looks=3", validate="none", epochs=2)
    (features,) = (np.load(file) for file in cache.iterdir() if len(np.load(file, mmap_mode="r")) == 360)
    source = open_source(data, channels=3)
    with torch.no_grad():
        plain = run.model.encoder.eval().visual.read(run.model.pairs.look(source.images(source.ids)))
    np.testing.assert_allclose(features[0::3], plain, rtol=1e-4, atol=1e-5)
    assert np.abs(features[1::3] - features[0::3]).max() > 1e-3 and np.abs(features[1::3] - features[2::3]).max() > 1e-3


def test_swapped_captions_read_as_chance(data, folders, cache, tmp_path):
    """Captions of other pictures: what is learned of them finds no held-out picture."""
    import pyarrow.parquet as pq

    table = pq.read_table(data)
    order = np.random.default_rng(0).permutation(len(table))
    swapped = table.set_column(
        table.column_names.index("captions"), "captions", table["captions"].take(pa.array(order))
    )
    pq.write_table(swapped, tmp_path / "swapped.parquet")
    more = {"epochs": 10, "batch_size": 30, "lr": 5e-3, "validate": str(data)}
    true = trained(data, folders, tmp_path / "true", **more).summary["evaluation"]
    found = trained(tmp_path / "swapped.parquet", folders, tmp_path / "run", **more).summary["evaluation"]
    chance = found["about"]["chance"]["recall_at_10"]
    assert found["learned"]["recall_at_10"] < 1.2 * chance < 1.8 * chance < true["learned"]["recall_at_10"]  # at most 2


@pytest.mark.parametrize("name, value, why", [
    ("resnet18", {}, "stem"), ("torchvision:resnet18", {}, "timm"), ("vit_tiny_patch16_224", {"depth": 2}, "depth"),
])  # fmt: skip
def test_what_cannot_be_a_tower_is_refused_with_the_reason(name, value, why, tmp_path):
    spec = {"name": name, "channels": 3, "image_size": 32, "stem": "cifar" if why == "stem" else "imagenet", **value}
    config = {"encoder": spec, "mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(Unfit, match=f"cannot be a tower: .*{why}"):
        apart.started(tmp_path, "", ["a red dot"], 32, seed=0)


def test_a_text_tower_pools_as_its_folder_says(folders, tmp_path):
    _, words = folders
    shutil.copytree(words, tmp_path / "words")
    assert apart.pooler(words) == "mean_pooler"
    modules = [{"type": "sentence_transformers.models.Transformer", "path": ""},
               {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]  # fmt: skip
    (tmp_path / "words" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "words" / "1_Pooling").mkdir()
    for mode, wanted in (("cls", "cls_last_hidden_state_pooler"), ("max", None)):
        (tmp_path / "words" / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": mode}))
        if wanted:
            assert apart.pooler(tmp_path / "words") == wanted
        else:
            with pytest.raises(Unfit, match="pools its tokens by max"):
                apart.pooler(tmp_path / "words")
