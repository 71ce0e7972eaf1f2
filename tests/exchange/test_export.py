"""Our own BERT and CLIP's towers through torch.export and ONNX: exact for any batch and any length."""

import numpy as np
import pytest
import torch
from torch.export import Dim

from kontrast.encoders.clip.transformers import ImageTransformer, TextTransformer
from kontrast.encoders.text.encoder import POOLERS
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


def exported_bert(net):
    batch, length = Dim("batch", min=2, max=512), Dim("length", min=2, max=128)
    shape = {0: batch, 1: length}
    tokens = net.tokenizer(FEW)
    return torch.export.export(net, (tokens,), dynamic_shapes=({name: shape for name in tokens},))


@pytest.mark.parametrize("pooler", POOLERS)
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
    ids = torch.randint(3, 49, (7, 15), generator=torch.Generator().manual_seed(1))
    ids[torch.arange(7), torch.tensor([3, 5, 14, 7, 1, 2, 9])] = 49 if pool == "argmax" else 2
    made = torch.export.export(net, (ids[:2, :9],), dynamic_shapes=shapes).module()
    for rows in (ids, ids[:2], ids[:3, :8]):
        torch.testing.assert_close(made(rows), net(rows), **CLOSE)


def test_the_image_tower_is_exported_with_any_batch():
    torch.manual_seed(0)
    net = ImageTransformer(size=32, patch=16, width=16, layers=1, heads=2, embed=8, mlp_ratio=2.0,
                           activation=torch.nn.GELU(), eps=1e-5, pool="tok", norm_early=True, norm_late=False)  # fmt: skip
    net.eval()
    pixels = torch.randn(5, 3, 32, 32)
    made = torch.export.export(net, (pixels[:2],), dynamic_shapes=({0: Dim("batch", min=2, max=64)},)).module()
    torch.testing.assert_close(made(pixels), net(pixels), **CLOSE)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bert", "text tower"])
def test_onnx_gives_the_same_vectors(tmp_path, kind):
    pytest.importorskip("onnxscript", reason="needs kontrast[onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="needs kontrast[onnx]")
    if kind == "bert":
        net = bert("mean")
        shape = {0: Dim("batch", min=2, max=512), 1: Dim("length", min=2, max=128)}
        inputs, more = (net.tokenizer(FEW),), (net.tokenizer(MANY),)
        shapes = ({name: shape for name in inputs[0]},)
        given = {name: part.numpy() for name, part in more[0].items()}
    else:
        net = text_tower()
        ids = torch.randint(3, 49, (7, 15), generator=torch.Generator().manual_seed(1))
        ids[:, 6] = 49
        inputs, more = (ids[:2, :9],), (ids,)
        shapes = ({0: Dim("batch", min=2, max=512), 1: Dim("length", min=2, max=20)},)
        given = {"ids_BT": ids.numpy()}
    file = tmp_path / "model.onnx"
    torch.onnx.export(net, inputs, file, dynamo=True, external_data=False, dynamic_shapes=shapes)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    assert set(names) == set(given)
    (found,) = session.run(None, given)
    np.testing.assert_allclose(found, net(*more).detach().numpy(), **CLOSE)
