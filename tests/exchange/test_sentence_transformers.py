"""A text run's folder: read by sentence-transformers and transformers where kontrast cannot be imported."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from kontrast.encoders.text.encoder import POOLERS, embed
from kontrast.encoders.text.open import rebuilt, text_encoder
from kontrast.errors import Unfit
from kontrast.exchange.card import About
from kontrast.exchange.sentence_transformers import write

pytest.importorskip("sentence_transformers")
TEXTS = ["The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two children play in the rain."]
ABOUT = About("simcse", "four sentences")

READER = """
import sys
sys.modules["kontrast"] = None  # any import of it fails
import json, numpy as np
from pathlib import Path
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer
root, texts = Path(sys.argv[1]), json.loads(sys.argv[2])
for folder in sorted(p for p in root.iterdir() if p.is_dir()):
    model = SentenceTransformer(str(folder), device="cpu")
    found = {"vectors": model.encode(texts)}
    if not folder.name.startswith("static"):
        tokens = AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", padding=True)
        out = AutoModel.from_pretrained(folder).eval()(**tokens)
        weight = tokens["attention_mask"][..., None].float()
        found["mean"] = ((out.last_hidden_state * weight).sum(1) / weight.sum(1)).detach().numpy()
        found["first"] = out.last_hidden_state[:, 0].detach().numpy()
        found["pooler"] = out.pooler_output.detach().numpy() if "pooler_output" in out else 0
    np.savez(root / f"{folder.name}.npz", **found)
"""


def small(pooler, normalize=False):
    made = text_encoder("small", texts=TEXTS * 9, seed=0, pooler=pooler)
    shape = {**made.spec["shape"], "width": 16, "layers": 3, "heads": 2, "hidden": 20}
    net = rebuilt({**made.spec, "shape": shape, "width": 16, "normalize": normalize}, made.tokenizer)
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):  # weights as of a trained one, not the small first ones
            parameter.add_(torch.linspace(-0.3, 0.3, parameter.numel()).sin().view_as(parameter) * (1 + number % 3))
    return net


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    nets = {pooler: small(pooler) for pooler in POOLERS}
    nets |= {"normalized": small("mean", normalize=True), "static": text_encoder("static", texts=TEXTS * 9, seed=0)}
    nets["distilbert"] = distilbert(root.parent / "distil")
    for name, net in nets.items():
        assert write(root / name, net, ABOUT).difference < 1e-6
    subprocess.run([sys.executable, "-c", READER, str(root), json.dumps(TEXTS)], check=True, capture_output=True)
    return root, nets


def distilbert(folder):
    """An architecture that transformers runs for us."""
    from transformers import DistilBertConfig, DistilBertModel

    folder.mkdir()
    tokenizer = small("mean").tokenizer
    with torch.random.fork_rng(devices=[]):
        config = DistilBertConfig(vocab_size=tokenizer.size, dim=16, n_layers=2, n_heads=2, hidden_dim=20,
                                  max_position_embeddings=64)  # fmt: skip
        DistilBertModel(config).save_pretrained(folder)
    tokenizer.save(folder)
    return text_encoder(str(folder), seed=0)


@pytest.mark.parametrize("name", [*POOLERS, "normalized", "static", "distilbert"])
def test_the_folder_gives_our_vectors_without_kontrast(folders, name):
    root, nets = folders
    with np.load(root / f"{name}.npz") as found:
        np.testing.assert_allclose(found["vectors"], embed(nets[name], TEXTS).numpy(), rtol=0, atol=2e-6)
        if name in ("mean", "distilbert"):
            np.testing.assert_allclose(found["mean"], embed(nets[name], TEXTS).numpy(), rtol=0, atol=2e-6)
        if name == "cls":  # BERT's own pooler is the trained one
            np.testing.assert_allclose(found["pooler"], embed(nets[name], TEXTS).numpy(), rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", [*POOLERS, "normalized", "static", "distilbert"])
def test_reading_back_finds_the_same_encoder(folders, name):
    root, nets = folders
    again = text_encoder(str(root / name), seed=0)
    assert again.pooler == nets[name].pooler and again.messages == ()
    torch.testing.assert_close(embed(again, TEXTS), embed(nets[name], TEXTS), rtol=0, atol=0)
    assert "sentence-similarity" in (root / name / "README.md").read_text()


def test_other_encoders_have_the_same_masks_for_the_same_step(folders):
    from kontrast.encoders.text.dropout import row_keys

    net = folders[1]["distilbert"].train()
    before = torch.get_rng_state()
    tokens = {**net.tokenizer(TEXTS), "dropout": row_keys(0, 1, torch.arange(4))}
    first, again = net(tokens), net(tokens)
    other = net({**tokens, "dropout": row_keys(0, 2, torch.arange(4))})
    assert torch.equal(first, again) and not torch.allclose(first, other, atol=1e-3)
    assert torch.equal(before, torch.get_rng_state())


def test_a_pooler_asked_for_wins_over_the_folders(folders):
    assert text_encoder(str(folders[0] / "mean"), seed=0, pooler="cls-before-pooler").pooler == "cls-before-pooler"


def test_what_cannot_be_read_is_told(folders, tmp_path):
    with pytest.raises(Unfit, match=r"no config\.json"):
        text_encoder(str(tmp_path), seed=0)
    for name, change, words in [
        ("1_Pooling/config.json", {"pooling_mode": "attention"}, "attention"),
        ("config.json", {"num_hidden_layers": 2}, "config.json does not count"),
        ("config.json", {"num_hidden_layers": 4}, "miss encoder.layer.3"),
    ]:
        folder = tmp_path / words.replace(" ", "-")
        write(folder, small("mean"), ABOUT)
        said = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(said | change))
        with pytest.raises(Unfit, match=words):
            text_encoder(str(folder), seed=0)


def test_two_writes_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name, small("cls"), ABOUT)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


def test_a_linear_layer_after_the_pooling_is_written_and_read(tmp_path):
    """`--tune head`: a Dense without an activation, which sentence-transformers has too."""
    encoder = small("mean", normalize=True)
    torch.nn.init.normal_(encoder.add_head().weight, generator=torch.Generator().manual_seed(0))
    write(tmp_path / "m", encoder.eval(), ABOUT)
    again = text_encoder(str(tmp_path / "m"), seed=0).eval()
    texts = ["a red fox runs", "she wrote a letter"]
    torch.testing.assert_close(embed(again, texts), embed(encoder, texts))
    with pytest.raises(Unfit, match="--tune head: this encoder's folder has no place"):
        small("cls").add_head()


def test_a_model_trained_for_fewer_columns_says_which_and_is_cut_by_sentence_transformers(tmp_path):
    library = pytest.importorskip("sentence_transformers")
    net = small("mean")
    write(tmp_path, net, About("simcse", "five sentences", settings={"widths": "4,8"}))
    told = json.loads((tmp_path / "config_sentence_transformers.json").read_text())
    assert told["matryoshka_dims"] == [4, 8, 16] and "truncate_dim" not in told
    assert "truncate_dim=4" in (tmp_path / "README.md").read_text()
    theirs = library.SentenceTransformer(str(tmp_path), device="cpu", truncate_dim=4).encode(TEXTS)
    np.testing.assert_allclose(theirs, embed(net, TEXTS)[:, :4], rtol=1e-4, atol=1e-5)
