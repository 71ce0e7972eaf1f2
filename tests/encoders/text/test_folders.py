"""Sentence models written by transformers and sentence-transformers: the same vectors, or a sentence; never others."""

import json
import shutil

import numpy as np
import pytest
import torch

import kontrast
from kontrast.commands.evaluate import evaluate
from kontrast.encoders.text import tokens
from kontrast.errors import Unfit
from kontrast.exchange import sentence_transformers as exported
from kontrast.exchange.card import About

transformers = pytest.importorskip("transformers", reason="needs kontrast[text]")
pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two Children play in the rain."]
CLOSE = {"rtol": 0, "atol": 1e-5}
V = {"vocab_size": 200}
BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20}
FAMILIES = {
    "bert": {**BERT, "max_position_embeddings": 40},
    "roberta": {**BERT, "max_position_embeddings": 42, "type_vocab_size": 1},
    "xlm-roberta": {**BERT, "max_position_embeddings": 42, "type_vocab_size": 1},
    "electra": {**BERT, "embedding_size": 16, "max_position_embeddings": 40},
    "albert": {**BERT, "embedding_size": 8, "max_position_embeddings": 40},
    "mpnet": {**BERT, "max_position_embeddings": 42},
    "deberta-v2": {**BERT, "max_position_embeddings": 40},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 20, "max_position_embeddings": 40},
    "modernbert": {**BERT, "max_position_embeddings": 40, "attn_implementation": "eager"},
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 40, "bos_token_id": 2, "eos_token_id": 3},
    "llama": {**BERT, "max_position_embeddings": 40, "num_key_value_heads": 1},
    "t5": {"d_model": 16, "num_layers": 2, "num_heads": 2, "d_kv": 8, "d_ff": 20},
}
CAUSAL = ("gpt2", "llama")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One folder for each family, with random weights, written by transformers."""
    root = tmp_path_factory.mktemp("families")
    tokenizer = tokens.trained(TEXTS * 9, max_length=40, vocabulary=150)
    for name, numbers in FAMILIES.items():
        config = transformers.AutoConfig.for_model(name, **{**V, **numbers, "pad_token_id": 0})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(len(name))
            made = transformers.AutoModel.from_config(config)
            for parameter in made.parameters():  # LayerNorms begin at 1 and 0, and would hide what is lost of them
                parameter.data.add_(torch.randn(parameter.shape) * 0.05)
        made.save_pretrained(root / name)
        tokenizer.save(root / name)
    return root


@torch.no_grad()
def reference(folder, *, last=False):
    """transformers' own vectors, one text at a time, so that nothing is padded; pooled in float64."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    load = transformers.T5EncoderModel if kind == "t5" else transformers.AutoModel
    net = load.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in TEXTS:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        states = net(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0].double()
        rows.append((states[-1] if last else states.mean(0)).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_folder_of_transformers_gives_its_vectors(root, family):
    model = kontrast.load(root / family)
    np.testing.assert_allclose(model.embed(TEXTS), reference(root / family, last=family in CAUSAL), **CLOSE)
    told = " ".join(model.encoder.messages)
    assert ("last token" if family in CAUSAL else "mean over tokens") in told


def test_a_plain_folder_is_evaluated(root, tmp_path):
    (tmp_path / "pairs.csv").write_text("anchor,positive\n" + "\n".join(f"{text[:9]} {n},{text[5:]} {n}"
                                        for n in range(9) for text in ("The cat sat", "A dog ran over")))  # fmt: skip
    result, _ = evaluate(root / "bert", tmp_path / "pairs.csv")
    assert {"learned", "random_weights", "raw_input"} <= result.keys()


@pytest.mark.parametrize("family", ["bert", "gpt2", "t5", "distilbert"])
def test_what_was_read_is_written_back_for_sentence_transformers(root, family, tmp_path):
    peer = pytest.importorskip("sentence_transformers")
    model = kontrast.load(root / family)
    exported.write(tmp_path / "again", model.encoder, About("simcse", "four sentences"))
    theirs = peer.SentenceTransformer(str(tmp_path / "again"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(theirs, model.embed(TEXTS), **CLOSE)


def remade(folder, new, change):
    """A copy whose weights were changed: `change` takes the tensors and the new folder."""
    from safetensors.torch import load_file

    shutil.copytree(folder, new)
    weights = load_file(new / "model.safetensors")
    (new / "model.safetensors").unlink()
    change(weights, new)
    return new


def sharded(weights, folder):
    from safetensors.torch import save_file

    names = sorted(weights)
    parts = {f"model-0000{n}-of-00003.safetensors": names[n - 1 :: 3] for n in (1, 2, 3)}
    for file, inside in parts.items():
        save_file({name: weights[name] for name in inside}, folder / file)
    places = {name: file for file, inside in parts.items() for name in inside}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def old_names(weights, folder):
    from safetensors.torch import save_file

    swap = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, old in swap.items():
        weights = {"bert." + name.removeprefix("bert.").replace(new, old): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors")


def pickled(weights, folder):
    torch.save(weights, folder / "pytorch_model.bin")


def halved(weights, folder):
    from safetensors.torch import save_file

    save_file({name: tensor.half() for name, tensor in weights.items()}, folder / "model.safetensors")


@pytest.mark.parametrize("change", [sharded, old_names, pickled])
def test_bert_in_other_files_is_the_same_bert(root, tmp_path, change):
    folder = remade(root / "bert", tmp_path / "other", change)
    assert np.array_equal(kontrast.load(folder).embed(TEXTS), kontrast.load(root / "bert").embed(TEXTS))


@pytest.mark.parametrize("change", [sharded, pickled])
def test_roberta_in_other_files_is_the_same_roberta(root, tmp_path, change):
    folder = remade(root / "roberta", tmp_path / "other", change)
    assert np.array_equal(kontrast.load(folder).embed(TEXTS), kontrast.load(root / "roberta").embed(TEXTS))


def test_half_precision_is_widened(root, tmp_path):
    folder = remade(root / "bert", tmp_path / "other", halved)
    np.testing.assert_allclose(kontrast.load(folder).embed(TEXTS), reference(folder), **CLOSE)


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_weights_that_are_missing_are_named(root, tmp_path, family):
    from safetensors.torch import save_file

    def shorter(weights, folder):
        del weights["encoder.layer.1.output.dense.weight"]
        save_file(weights, folder / "model.safetensors")

    with pytest.raises(Unfit, match=r"miss encoder\.layer\.1\.output\.dense\.weight"):
        kontrast.load(remade(root / family, tmp_path / "short", shorter))


def test_a_pickle_that_holds_more_than_tensors_is_not_opened(root, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    def trapped(weights, folder):
        torch.save({**weights, "trap": Trap()}, folder / "pytorch_model.bin")

    with pytest.raises(Unfit, match="holds more than tensors, so it is not opened"):
        kontrast.load(remade(root / "bert", tmp_path / "trapped", trapped))
    assert not (tmp_path / "ran").exists()


def test_what_is_no_sentence_encoder_is_refused(tmp_path, root):
    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 20}
    both = transformers.CLIPConfig(text_config={**vision, **V}, vision_config={**vision, "image_size": 32})
    transformers.CLIPModel(both).save_pretrained(tmp_path / "clip")
    shutil.copy(root / "bert" / "tokenizer.json", tmp_path / "clip")
    with pytest.raises(Unfit, match="pictures and words"):
        kontrast.load(tmp_path / "clip")
    bart = transformers.BartConfig(**V, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
                                   decoder_attention_heads=2, encoder_ffn_dim=20, decoder_ffn_dim=20)  # fmt: skip
    transformers.BartModel(bart).save_pretrained(tmp_path / "bart")
    shutil.copy(root / "bert" / "tokenizer.json", tmp_path / "bart")
    with pytest.raises(Unfit, match="encoder and a decoder"):
        kontrast.load(tmp_path / "bart")
    shutil.copytree(root / "bert", tmp_path / "lora")
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(Unfit, match="merge"):
        kontrast.load(tmp_path / "lora")


EXPLOIT = """
from pathlib import Path
Path({marker!r}).write_text("ran")
from transformers import BertConfig as Config, BertModel as Model, BertTokenizerFast as Tokenizer
"""


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_code_of_a_folder_never_runs(root, tmp_path, monkeypatch, file, family):
    folder, marker = tmp_path / "evil", tmp_path / "ran"
    shutil.copytree(root / family, folder)
    (folder / "modeling.py").write_text(EXPLOIT.format(marker=str(marker)))
    content = json.loads((folder / file).read_text())
    names = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}
    names = names if file == "config.json" else {"AutoTokenizer": [None, "modeling.Tokenizer"]}
    (folder / file).write_text(json.dumps({**content, "auto_map": names}))
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # transformers asks; nobody may be asked
    from kontrast.encoders.clip.hugging_face import hugging_face

    for opened in (kontrast.load, lambda f: hugging_face(f, weights=True), hugging_face):
        with pytest.raises(Unfit, match="runs no code from a folder"):
            opened(folder)
    (tmp_path / "s.txt").write_text("\n".join(TEXTS * 9))
    with pytest.raises(Unfit, match="runs no code from a folder"):
        kontrast.train(
            tmp_path / "s.txt", method="simcse", encoder=str(folder), out=str(tmp_path / "run"), device="cpu"
        )
    assert not marker.exists()


def test_a_module_of_the_folders_own_never_runs(root, tmp_path):
    folder = tmp_path / "evil"
    shutil.copytree(root / "bert", folder)
    (folder / "own.py").write_text(EXPLOIT.format(marker=str(tmp_path / "ran")))
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "own.Transformer"}]))
    with pytest.raises(Unfit, match="runs no code from a folder"):
        kontrast.load(folder)
    assert not (tmp_path / "ran").exists()
