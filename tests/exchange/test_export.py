"""Our own BERT and CLIP's towers through torch.export and ONNX: exact for any batch and any length."""

import numpy as np
import pytest
import torch
from torch.export import Dim

from kontrast.encoders.clip.transformers import ImageTransformer, TextTransformer
from kontrast.encoders.text.open import rebuilt, text_encoder

TEXTS = ["The cat sat on the mat.", "No.", "Two children play in the rain, and nobody knows why."]
FEW, MANY = TEXTS[:2], [*TEXTS, "A dog.", "A dog ran."]
CLOSE = {"rtol": 0, "atol": 2e-6}


def bert(pooler):
    made = text_encoder("small", texts=TEXTS * 9, seed=0)
    shape = {**made.spec["shape"], "width": 16, "layers": 2, "heads": 2, "hidden": 20}
    return rebuilt({**made.spec, "shape": shape, "width": 16, "pooler": pooler}, made.tokenizer).eval()


def text_tower(pool="argmax"):
    torch.manual_seed(0)
    net = TextTransformer(context=20, vocabulary=50, width=16, layers=2, heads=2, embed=8, mlp_ratio=2.0,
                          activation=torch.nn.GELU(), eps=1e-5, pool=pool, causal=True, eos=2, bias=False)  # fmt: skip
    return net.eval()


def ids_of(pool):
    ids = torch.randint(3, 49, (7, 15), generator=torch.Generator().manual_seed(1))
    ids[torch.arange(7), torch.tensor([3, 5, 14, 7, 1, 2, 9])] = 49 if pool == "argmax" else 2
    return ids


def exported_bert(net):
    batch, length = Dim("batch", min=2, max=512), Dim("length", min=2, max=128)
    shape = {0: batch, 1: length}
    tokens = net.tokenizer(FEW)
    return torch.export.export(net, (tokens,), dynamic_shapes=({name: shape for name in tokens},))


@pytest.mark.parametrize("pooler", ["cls", "top2", "max", "last", "weighted-mean"])
def test_our_bert_is_exported_with_any_batch_and_length(pooler):
    net = bert(pooler)
    made = exported_bert(net).module()
    for texts in (FEW, MANY, MANY[1:3]):
        tokens = net.tokenizer(texts)
        torch.testing.assert_close(made(tokens), net(tokens), **CLOSE)


@pytest.mark.parametrize("pool", ["argmax", "eos"])
def test_the_text_tower_is_exported_with_any_batch_and_length(pool):
    net = text_tower(pool)
    shapes = ({0: Dim("batch", min=2, max=512), 1: Dim("length", min=2, max=20)},)
    ids = ids_of(pool)
    made = torch.export.export(net, (ids[:2, :9].contiguous(),), dynamic_shapes=shapes).module()
    for rows in (ids, ids[:2], ids[:3, :8].contiguous()):
        torch.testing.assert_close(made(rows), net(rows), **CLOSE)


def test_the_image_tower_is_exported_with_any_batch():
    torch.manual_seed(0)
    net = ImageTransformer(size=32, patch=16, width=16, layers=1, heads=2, embed=8, mlp_ratio=2.0, eps=1e-5,
                           activation=torch.nn.GELU(), pool="tok", norm_early=True, norm_late=False)  # fmt: skip
    net.eval()
    pixels = torch.randn(5, 3, 32, 32)
    made = torch.export.export(net, (pixels[:2],), dynamic_shapes=({0: Dim("batch", min=2, max=64)},)).module()
    torch.testing.assert_close(made(pixels), net(pixels), **CLOSE)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bert", "text tower"])
def test_onnx_gives_the_same_vectors(tmp_path, kind):
    pytest.importorskip("onnxscript", reason="needs kontrast[peers]")
    runtime = pytest.importorskip("onnxruntime", reason="needs kontrast[peers]")
    if kind == "bert":
        net, shape = bert("mean"), {0: Dim("batch", min=2, max=512), 1: Dim("length", min=2, max=128)}
        given = {"tokens": net.tokenizer(FEW)}
        shapes = {"tokens": {name: shape for name in given["tokens"]}}
        more, fed = net.tokenizer(MANY), {name: part.numpy() for name, part in net.tokenizer(MANY).items()}
    else:
        net, more = text_tower(), ids_of("argmax")
        shapes = {"ids_BT": {0: Dim("batch", min=2, max=512), 1: Dim("length", min=2, max=20)}}
        given, fed = {"ids_BT": more[:2, :9].contiguous()}, {"ids": more.numpy()}
    file = tmp_path / "model.onnx"
    torch.onnx.export(net, (), file, kwargs=given, dynamo=True, external_data=False, dynamic_shapes=shapes,
                      input_names=list(fed), verbose=False)  # fmt: skip
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == list(fed)
    (found,) = session.run(None, fed)
    np.testing.assert_allclose(found, net(more).detach().numpy(), **CLOSE)
