"""A toy format: the weights of a picture encoder as an .npz file that NumPy reads."""

import copy
from typing import ClassVar

import numpy as np
import torch

from kontrast.exchange.card import Certificate
from kontrast.exchange.format import compared
from kontrast.exchange.image_folder import no_pictures


class Npz:
    needs: ClassVar = {}  # NumPy is there

    def says_it(self, model):
        return no_pictures(model)

    def write(self, folder, model, about):
        folder.mkdir()
        encoder = copy.deepcopy(model.encoder).cpu()
        np.savez(folder / "weights.npz", **{name: tensor.numpy() for name, tensor in encoder.state_dict().items()})
        again = copy.deepcopy(encoder)
        again.load_state_dict({name: torch.from_numpy(array) for name, array in self.read(folder).items()})
        pixels = torch.linspace(-1, 1, 4 * model.image_size**2 * encoder.spec["channels"])
        pixels = pixels.view(4, encoder.spec["channels"], model.image_size, model.image_size)
        with torch.no_grad():
            difference, largest = compared(folder, [encoder(pixels)], [again(pixels)])
        certificate = Certificate("npz", "NumPy", difference, largest, lambda known: f"# {known.method} as .npz\n")
        certificate.write_card(folder, about)
        return certificate

    def read(self, folder):
        return dict(np.load(folder / "weights.npz"))
