"""Folders that sentence-transformers itself has saved: the same vectors, read, and written back."""

import json

import numpy as np
import pytest
import torch

import kontrast
from kontrast.encoders.text import tokens
from kontrast.errors import Unfit
from kontrast.exchange import sentence_transformers as exported
from kontrast.exchange.card import About

transformers = pytest.importorskip("transformers", reason="needs kontrast[text]")
peer = pytest.importorskip("sentence_transformers", reason="needs kontrast[peers]")
pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["The cat sat on the mat.", "A dog ran over the hill, quickly.", "No.", "Two Children play in the rain."]
PROMPTS = {"query": "the dog: ", "passage": "a hill; "}
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def families(tmp_path_factory):
    """A tiny BERT, GPT-2 and T5, each a plain folder with a tokenizer."""
    root = tmp_path_factory.mktemp("families")
    tokenizer = tokens.trained(TEXTS * 9, max_length=40, vocabulary=150)
    configs = [
        transformers.BertConfig(vocab_size=200, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                                intermediate_size=20, max_position_embeddings=40, pad_token_id=0),
        transformers.GPT2Config(vocab_size=200, n_embd=16, n_layer=2, n_head=2, n_positions=40),
        transformers.T5Config(vocab_size=200, d_model=16, num_layers=2, num_heads=2, d_kv=8, d_ff=20),
    ]  # fmt: skip
    for config in configs:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            made = transformers.AutoModel.from_config(config)
            for parameter in made.parameters():
                parameter.data.add_(torch.randn(parameter.shape) * 0.3)
        made.save_pretrained(root / config.model_type)
        tokenizer.save(root / config.model_type)
    return root


def dense(inside, outside, activation, **more):
    from sentence_transformers.models import Dense

    return Dense(inside, outside, activation_function=activation, **more)


def pooling(*modes, include_prompt=True):
    def made(width):
        from sentence_transformers.models import Pooling

        return Pooling(width, pooling_mode=modes if len(modes) > 1 else modes[0], include_prompt=include_prompt)

    return made


def normalized():
    from sentence_transformers.models import Normalize

    return Normalize()


MEAN, Q = pooling("mean"), {"prompts": PROMPTS, "default_prompt_name": "query"}
LAYOUTS = {  # family, pooling, what comes after it, arguments of SentenceTransformer
    "mean": ("bert", MEAN, [], {}),
    "cls": ("bert", pooling("cls"), [], {}),
    "max": ("bert", pooling("max"), [], {}),
    "last token": ("bert", pooling("lasttoken"), [], {}),
    "weighted mean": ("bert", pooling("weightedmean"), [], {}),
    "mean by the root": ("bert", pooling("mean_sqrt_len_tokens"), [], {}),
    "a list": ("bert", pooling("cls", "mean"), [], {}),
    "a list in another order": ("bert", pooling("mean", "max", "cls"), [], {}),
    "all at once": ("bert", pooling("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"), [], {}),
    "normalized": ("bert", MEAN, [normalized], {}),
    "tanh": ("bert", MEAN, [lambda: dense(16, 16, torch.nn.Tanh())], {}),
    "simcse": ("bert", pooling("cls"), [lambda: dense(16, 16, torch.nn.Tanh())], {}),
    "narrower": ("bert", MEAN, [lambda: dense(16, 5, torch.nn.Identity(), bias=False)], {}),
    "wider, gelu": ("bert", pooling("cls"), [lambda: dense(16, 24, torch.nn.GELU())], {}),
    "two layers": ("bert", MEAN, [lambda: dense(16, 9, torch.nn.ReLU()), lambda: dense(9, 7, torch.nn.Identity())], {}),
    "a list and a layer": ("bert", pooling("cls", "mean"), [lambda: dense(32, 6, torch.nn.Identity()), normalized], {}),
    "prompt": ("bert", MEAN, [], Q),
    "prompt left out of the mean": ("bert", pooling("mean", include_prompt=False), [], Q),
    "prompt left out of cls": ("bert", pooling("cls", include_prompt=False), [], Q),
    "prompt left out of all": (
        "bert", pooling("max", "weightedmean", "mean_sqrt_len_tokens", "lasttoken", include_prompt=False), [], Q),
    "prompts without a default": ("bert", MEAN, [], {"prompts": PROMPTS}),
    "truncated": ("bert", MEAN, [], {"truncate_dim": 6}),
    "truncated after normalizing": ("bert", MEAN, [normalized], {"truncate_dim": 6, **Q}),
    "gpt2, last token": ("gpt2", pooling("lasttoken"), [], {}),
    "gpt2, weighted mean": ("gpt2", pooling("weightedmean"), [normalized], {}),
    "t5": ("t5", MEAN, [lambda: dense(16, 12, torch.nn.Identity(), bias=False), normalized], {}),
}  # fmt: skip


def saved(folder, families, layout, **more):
    from sentence_transformers.models import Transformer

    family, pooled, after, options = LAYOUTS[layout]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        modules = [Transformer(str(families / family), **more), pooled(16), *(make() for make in after)]
    peer.SentenceTransformer(modules=modules, device="cpu", **options).save(str(folder))
    return folder


def theirs(folder):
    """One text at a time: a model that pads on the left counts padding as positions."""
    net = peer.SentenceTransformer(str(folder), device="cpu")
    return np.concatenate([net.encode([text]) for text in TEXTS])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_of_theirs_is_read_and_written_back(families, tmp_path, layout):
    folder = saved(tmp_path / "theirs", families, layout)
    expected, model = theirs(folder), kontrast.load(folder)
    assert model.width == expected.shape[1]
    np.testing.assert_allclose(model.embed(TEXTS), expected, **CLOSE)
    exported.write(tmp_path / "again", model.encoder, About("simcse", "four sentences"))
    np.testing.assert_allclose(theirs(tmp_path / "again"), expected, **CLOSE)
    told = json.loads((tmp_path / "again" / "config_sentence_transformers.json").read_text())
    options = LAYOUTS[layout][3]
    assert told["prompts"] == options.get("prompts", {})
    assert told["default_prompt_name"] == options.get("default_prompt_name")
    random = model.random()
    assert random.embed(TEXTS).shape == expected.shape and not np.allclose(random.embed(TEXTS), expected)


def test_short_and_lower_case_texts_as_they_say(families, tmp_path):
    folder = saved(tmp_path / "theirs", families, "mean", max_seq_length=5, do_lower_case=True)
    np.testing.assert_allclose(kontrast.load(folder).embed(TEXTS), theirs(folder), **CLOSE)


def test_a_static_embedding_with_a_prompt(families, tmp_path):
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(0)
    table = StaticEmbedding(Tokenizer.from_file(str(families / "bert" / "tokenizer.json")), embedding_dim=12)
    peer.SentenceTransformer(modules=[table], device="cpu", truncate_dim=7, **Q).save(str(tmp_path / "static"))
    model = kontrast.load(tmp_path / "static")
    np.testing.assert_allclose(model.embed(TEXTS), theirs(tmp_path / "static"), **CLOSE)
    exported.write(tmp_path / "again", model.encoder, About("simcse", "four sentences"))
    np.testing.assert_allclose(theirs(tmp_path / "again"), theirs(tmp_path / "static"), **CLOSE)


def test_modules_that_are_not_built_are_named(families, tmp_path):
    from sentence_transformers.models import LayerNorm, Normalize, Transformer

    folder = saved(tmp_path / "layer", families, "mean")
    base = [Transformer(str(families / "bert")), MEAN(16)]
    peer.SentenceTransformer(modules=[*base, LayerNorm(16)], device="cpu").save(str(tmp_path / "norm"))
    with pytest.raises(Unfit, match="LayerNorm"):
        kontrast.load(tmp_path / "norm")
    late = [*base, Normalize(), dense(16, 16, torch.nn.Tanh())]
    peer.SentenceTransformer(modules=late, device="cpu").save(str(tmp_path / "late"))
    with pytest.raises(Unfit, match="order"):
        kontrast.load(tmp_path / "late")
    residual = [*base, dense(16, 16, torch.nn.Tanh(), use_residual=True)]
    peer.SentenceTransformer(modules=residual, device="cpu").save(str(tmp_path / "residual"))
    with pytest.raises(Unfit, match="residual"):
        kontrast.load(tmp_path / "residual")
    told = json.loads((folder / "1_Pooling" / "config.json").read_text())
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({**told, "pooling_mode": "attention"}))
    with pytest.raises(Unfit, match="attention"):
        kontrast.load(folder)
