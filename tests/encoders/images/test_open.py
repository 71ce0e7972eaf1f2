"""An encoder by name or by folder: of a folder the architecture is the folder's own."""

import pytest
import torch
from tests.exchange.folders import about, look

from kontrast import exchange
from kontrast.encoders.images.by_name import image_encoder_by_name
from kontrast.encoders.images.open import image_encoder
from kontrast.errors import Unfit


def test_a_name_builds_and_a_folder_brings_its_weights(tmp_path):
    said = {"channels": 3, "image_size": 8}
    made, wanted = image_encoder("small", **said, seed=4), image_encoder_by_name("small", **said, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), wanted.state_dict().values()))
    exchange.write(tmp_path / "m", made, look(8), about())
    again = image_encoder(str(tmp_path / "m"), **said, seed=99, norm="group")
    assert again.spec["name"] == "small" and again.messages[0] == f"weights: {tmp_path / 'm'}" and again.look == look(8)
    assert all(torch.equal(a, b) for a, b in zip(made.state_dict().values(), again.state_dict().values()))
    with pytest.raises(Unfit, match="takes 3 channels; the pictures have 1"):
        image_encoder(str(tmp_path / "m"), channels=1, image_size=8, seed=0)
