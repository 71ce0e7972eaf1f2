"""A checkpoint of another training program is told apart, and the sentence says which verb makes a folder of it."""

from functools import partial

import pytest
import torch

import kontrast
from kontrast.errors import Unfit


def checkpoints():
    from torchvision.models import resnet18

    plain = {name: tensor for name, tensor in resnet18().state_dict().items() if "layer" not in name}
    inside = partial(lambda prefix: {prefix + name: tensor for name, tensor in plain.items()})
    head = torch.zeros(3, 3)
    return {
        "MoCo": {"state_dict": {**inside("module.encoder_q."), **inside("module.encoder_k.")}, "epoch": 200},
        "SwAV": {**inside("module."), "module.projection_head.0.weight": head, "module.prototypes.weight": head},
        "Barlow Twins": {
            "model": {**inside("module.backbone."), "module.projector.0.weight": head, "module.bn.running_mean": head}
        },
        "SimCLR": {"state_dict": {**inside("backbone."), "backbone.fc.0.weight": head}, "arch": "resnet18"},
        "lightly": {"state_dict": {**inside("backbone."), "projection_head.layers.0.weight": head}},
        "solo-learn": {"state_dict": {**inside("backbone."), "projector.0.weight": head}},
        "a file of weights": plain,
    }


@pytest.mark.parametrize("whose", checkpoints())
def test_a_training_checkpoint_gets_its_sentence(tmp_path, whose):
    file = tmp_path / "checkpoint.pth"
    torch.save(checkpoints()[whose], file)
    with pytest.raises(Unfit, match=whose) as refusal:
        kontrast.train("digits", encoder=str(file), out=str(tmp_path / "run"), device="cpu", epochs=1)
    assert f"kontrast import {file} --out FOLDER" in str(refusal.value)


def test_a_file_whose_folder_is_read_as_it_is_says_so(tmp_path):
    file = tmp_path / "open_clip_model.bin"
    torch.save({"visual.conv1.weight": torch.zeros(1), "token_embedding.weight": torch.zeros(1)}, file)
    with pytest.raises(Unfit, match="two towers of CLIP as OpenAI and open_clip name them"):
        kontrast.train("digits", encoder=str(file), out=str(tmp_path / "run"), device="cpu", epochs=1)
