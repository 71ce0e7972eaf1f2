"""BERT against transformers' own, layer by layer."""

import numpy as np
import torch

from kontrast import keyed
from kontrast.encoders.text.bert import Bert, Shape


def ragged(rows=9, length=17, vocabulary=50):
    """Random ids with rows of all lengths, several of them equal."""
    ids_BL = 1 + torch.from_numpy(keyed.below(vocabulary - 1, "ids", np.arange(rows * length))).view(rows, length)
    length_B = torch.from_numpy(1 + keyed.below(length, "lengths", np.arange(rows)))
    length_B[:2] = length
    length_B[2:4] = 1
    return ids_BL, (torch.arange(length) < length_B[:, None]).long()


def hugging_face_bert(shape):
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.width, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=shape.hidden, max_position_embeddings=shape.positions,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        return BertModel(config, add_pooling_layer=False).eval().double()


def test_bert_is_transformers_bert_layer_by_layer_and_in_its_gradients():
    shape = Shape(vocabulary=50, width=24, layers=3, heads=3, hidden=40, positions=20)
    theirs, ours = hugging_face_bert(shape), Bert(shape).double()
    ours.load_state_dict(theirs.state_dict())  # the same names, all of them
    ids_BL, mask_BL = ragged()
    wanted = theirs(ids_BL, attention_mask=mask_BL, output_hidden_states=True).hidden_states
    found = ours(ids_BL, mask_BL)
    assert len(found) == len(wanted) == 4
    inside_BL1 = mask_BL[..., None]
    for one, other in zip(found, wanted):
        torch.testing.assert_close(one, other * inside_BL1, rtol=0, atol=1e-12)
    weight_H = torch.linspace(-1, 1, 24, dtype=torch.float64)
    (found[-1] * weight_H).sum().backward()
    (wanted[-1] * inside_BL1 * weight_H).sum().backward()
    grads = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, grads[name].grad, rtol=1e-9, atol=1e-10)
