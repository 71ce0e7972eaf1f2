"""ONNX: the whole model as one graph, for any runtime: 8-bit pixels or tokens in, vectors of length 1 out.

    onnx/model.onnx                              pixels, uint8 (batch, channels, height, width)  -> image_embeds
                                                 input_ids, attention_mask (batch, length)       -> sentence_embedding
    onnx/vision_model.onnx, onnx/text_model.onnx of two towers: pixels -> image_embeds; input_ids -> text_embeds
    tokenizer.json, tokenizer_config.json        of models that read words, for the `tokenizers` library

Pictures of any size go in as they were decoded; resize, crop and normalising are part of the graph (`onnx_pixels`).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from kontrast import keyed, progress
from kontrast.encoders.clip import bpe
from kontrast.encoders.clip.towers import Towers
from kontrast.encoders.images.encoder import ImageEncoder
from kontrast.encoders.text.encoder import TextEncoder
from kontrast.errors import Failed
from kontrast.exchange import onnx_pixels
from kontrast.exchange.card import About, Certificate, fewer, settings_table, table
from kontrast.exchange.format import compared
from kontrast.exchange.onnx_pixels import Pixels
from kontrast.exchange.pair_folder import WORDS
from kontrast.exchange.timm import MODES

MODEL, VISION, TEXT = "onnx/model.onnx", "onnx/vision_model.onnx", "onnx/text_model.onnx"
_STARTED = """\
import numpy as np, onnxruntime
def started(file):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
"""
_PICTURES = """\
seeing = started("{file}")
def pictures(given):
    found = []
    for each in given:
        pixels = np.asarray(each.convert("{mode}"))
        pixels = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)[None]
        found.append(seeing.run(None, {{"pixels": pixels}})[0])
    return np.concatenate(found)
"""
_WORDS = """\
from tokenizers import Tokenizer
words, reading = Tokenizer.from_file("tokenizer.json"), started("{file}")
words.enable_truncation({max_length})
words.enable_padding(pad_id={pad_id}, pad_token={pad_token!r})
def sentences(given):
    rows = words.encode_batch([each{lower} for each in given], add_special_tokens={special})
    fed = {{"input_ids": np.array([row.ids for row in rows])}}
    if len(reading.get_inputs()) > 1:
        fed["attention_mask"] = np.array([row.attention_mask for row in rows])
    return reading.run(None, fed)[0]
"""


class Onnx:
    """See `format.Format`. Of sentence encoders all but those with a prompt, which is words and no tensor."""

    needs: Mapping[str, str] = dict.fromkeys(("onnx", "onnxscript", "onnxruntime"), '"kontrast[onnx]"')

    def says_it(self, model: Any) -> str:
        if isinstance(model.encoder, ImageEncoder):
            return onnx_pixels.says_it(model.look)
        if isinstance(model.encoder, Towers):
            cuttable = (
                "" if model.encoder.text.cuttable else "its text tower needs captions padded to their whole length"
            )
            return onnx_pixels.says_it(model.pairs.look) or cuttable
        if isinstance(model.encoder, TextEncoder):
            return "a prompt stands before its sentences" if model.encoder.tokenizer.prompt else ""
        return "it holds encoders of pictures, of sentences, and of both"

    @torch.no_grad()
    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        encoder = copy.deepcopy(model.encoder).cpu().float().eval()
        (folder / "onnx").mkdir(parents=True, exist_ok=True)
        program = _STARTED
        if isinstance(encoder, ImageEncoder):
            found = [_pictures(folder / MODEL, encoder, model.look)]
            program += _PICTURES.format(file=MODEL, mode=MODES.get(encoder.spec["channels"], "RGB"))
        elif isinstance(encoder, TextEncoder):
            found = [_sentences(folder / MODEL, encoder)]
            encoder.tokenizer.save(folder)
            program += _words(MODEL, encoder.tokenizer, encoder.spec["lower"])
        else:
            captions = model.pairs.captions
            found = [_pictures(folder / VISION, encoder, model.pairs.look), _captions(folder / TEXT, encoder, captions)]
            bpe.write(captions, folder)
            program += _PICTURES.format(file=VISION, mode="RGB") + _words(TEXT, captions.inner, False)
        difference, largest = compared(folder, *(list(side) for side in zip(*found, strict=True)))

        def text(known: About) -> str:
            return _card(encoder.width, known, difference, program)

        certificate = Certificate("onnx", "onnxruntime", difference, largest, text, program, unit=True)
        certificate.write_card(folder, about)
        return certificate

    def read(self, folder: Path) -> dict[str, Callable[[Mapping[str, npt.NDArray[Any]]], Tensor]]:
        """file -> what runs it: inputs by name to its vectors."""
        return {name: session(folder / name) for name in (MODEL, VISION, TEXT) if (folder / name).is_file()}


class _Seeing(nn.Module):
    """Pixels to unit vectors."""

    def __init__(self, look: Any, encoder: nn.Module) -> None:
        super().__init__()
        self.pixels, self.encoder = Pixels(look), encoder

    def forward(self, pixels: Tensor) -> Tensor:
        return normalize(self.encoder(self.pixels(pixels)), dim=1)


class _Reading(nn.Module):
    """Tokens to unit vectors."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return normalize(self.encoder({"input_ids": input_ids, "attention_mask": attention_mask}), dim=1)


class _Captions(nn.Module):
    """Ids to unit vectors; what the text tower needs to know of padding it knows."""

    def __init__(self, towers: Towers) -> None:
        super().__init__()
        self.text = towers.text

    def forward(self, input_ids: Tensor) -> Tensor:
        return normalize(self.text(input_ids), dim=1)


def _pictures(file: Path, encoder: nn.Module, look: Any) -> tuple[Tensor, Tensor]:
    """Write the graph of pictures; returns (the model's vectors, the graph's) of noise of two shapes."""
    channels = len(look.mean)
    net = _Seeing(look, encoder).eval()
    given = {"pixels": _noise(2, channels, look.size + 9, look.size + 20)}
    exported(file, net, given, "image_embeds", {"pixels": {0: "batch", 2: "height", 3: "width"}})
    run = session(file)
    shapes = ((3, channels, 2 * look.size + 3, look.size + 1), (1, channels, look.size, look.size))
    several = [_noise(*shape) for shape in shapes]
    live = torch.cat([normalize(encoder(look(pixels)), dim=1) for pixels in several])
    return live, torch.cat([run({"pixels": pixels.numpy()}) for pixels in several])


def _noise(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=keyed.generator("certificate"), dtype=torch.uint8)


def _sentences(file: Path, encoder: TextEncoder) -> tuple[Tensor, Tensor]:
    net, shape = _Reading(encoder).eval(), {0: "batch", 1: "length"}
    tokens = encoder.tokenizer(WORDS)
    exported(file, net, tokens, "sentence_embedding", dict.fromkeys(tokens, shape))
    more = encoder.tokenizer([*WORDS, "A dog, a cat, and nobody in the rain."])
    return net(**more), session(file)({name: part.numpy() for name, part in more.items()})


def _captions(file: Path, towers: Towers, captions: bpe.Captions) -> tuple[Tensor, Tensor]:
    net = _Captions(towers).eval()
    given = {"input_ids": captions(WORDS)}
    exported(file, net, given, "text_embeds", {"input_ids": {0: "batch", 1: "length"}})
    more = captions([*WORDS, "a dog and a cat"])
    return net(more), session(file)({"input_ids": more.numpy()})


def exported(
    file: Path, net: nn.Module, given: Mapping[str, Tensor], out: str, named: Mapping[str, Mapping[int, str]]
) -> None:
    """Write the graph of a module. named: argument -> axis -> the name of what may be any size there."""
    progress.told("tracing the model into a graph")
    dims = {name: {axis: torch.export.Dim.DYNAMIC for axis in axes} for name, axes in named.items()}
    names: dict[str, Any] = {"input_names": list(given), "output_names": [out], "dynamic_shapes": dims}
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                net, (), str(file), kwargs=dict(given), dynamo=True, external_data=False, verbose=False, **names
            )
        except RuntimeError as problem:  # its own errors are
            told = " ".join(str(problem).split())[-300:]
            raise Failed(f"--to onnx: torch cannot make a graph of this model: {told}") from problem


def session(file: Path) -> Callable[[Mapping[str, npt.NDArray[Any]]], Tensor]:
    """What runs a graph by onnxruntime: inputs by name to its vectors."""
    import onnxruntime

    made = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda given: torch.from_numpy(np.asarray(made.run(None, dict(given))[0]))


def _words(file: str, tokenizer: Any, lower: bool) -> str:
    pad = tokenizer.inner.id_to_token(tokenizer.pad_id)
    how = {"max_length": tokenizer.max_length, "pad_id": tokenizer.pad_id, "pad_token": pad}
    return _WORDS.format(file=file, lower=".lower()" if lower else "", special=tokenizer.special, **how)


def _card(width: int, about: About, difference: float, program: str) -> str:
    """The text of README.md."""
    sections = [
        f"---\nlibrary_name: onnx\ntags:\n- contrastive-learning\n- {about.method}\n---",
        f"# A model trained with {about.method}, as a graph",
        f"8-bit pixels of any size, or tokens, in; vectors of {width} numbers and length 1 out. Trained by contrast on "
        f"{about.data}.",
        about.verdict,
        "## Load it",
        f"Read again by onnxruntime after writing and compared with the model in memory: largest difference "
        f"{difference:.1e}.",
        f"```python\n{program}```",
        fewer(about),
        "## How good it is",
        table(about) or "It was not evaluated.",
        "## How it was trained",
        settings_table(about),
        "## Limits",
        f"It knows what its data showed. Measure it on your own. Licence of the weights: {about.license}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
