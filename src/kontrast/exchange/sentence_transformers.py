"""The sentence-transformers layout: one folder that sentence-transformers and, for transformers, AutoModel load.

    config.json, model.safetensors, tokenizer.json, tokenizer_config.json    the encoder, as AutoModel reads it
    modules.json, sentence_bert_config.json, 1_Pooling/ ...                  how its tokens become one vector
    README.md                                                                the model card

The classic files are written by hand: what sentence-transformers 6 saves, 5 cannot load. "first-last" and "top2" are a
WeightedLayerPooling before the mean; "cls" is a Dense layer with tanh after the first token, and the same weights are
BERT's own pooler. A static encoder is a StaticEmbedding, which AutoModel does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import files
from kontrast.encoders.text.bert import Shape
from kontrast.encoders.text.encoder import TextEncoder, embed
from kontrast.encoders.text.folders import BERT_NAMES
from kontrast.encoders.text.layout import POOLINGS
from kontrast.encoders.text.open import text_encoder
from kontrast.exchange.card import About, Certificate, fewer, settings_table, table
from kontrast.exchange.format import compared

PROBES = (
    "A dog.",
    "Two children play football in the rain.",
    "no",
    "It cost 12 dollars, not 20!",
    "The committee, which had met only twice that year, put off its decision until the spring.",
)
MODULES = "sentence_transformers.models"


USAGE = """\
```python
from sentence_transformers import SentenceTransformer

vectors = SentenceTransformer("model").encode(["A dog runs.", "A cat sleeps."])
```"""
PROGRAM = """\
from sentence_transformers import SentenceTransformer
net = SentenceTransformer(".", device="cpu")
def sentences(given):
    return net.encode(given, show_progress_bar=False)
"""


class SentenceTransformers:
    """See `format.Format`. It can say every sentence encoder."""

    needs: Mapping[str, str] = {"sentence_transformers": "sentence-transformers"}

    def says_it(self, model: Any) -> str:
        return "" if isinstance(model.encoder, TextEncoder) else "it holds sentence encoders alone"

    def write(self, folder: Path, model: Any, about: About) -> Certificate:
        return write(folder, model.encoder, about)

    def read(self, folder: Path) -> TextEncoder:
        """The encoder as kontrast loads it: sentence-transformers need not be there."""
        return text_encoder(str(folder), seed=0)


def write(folder: str | Path, encoder: TextEncoder, about: About) -> Certificate:
    """Write the folder. Raises Failed if what was written, read again, gives other vectors than the live encoder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    static = encoder.spec["name"] == "static"
    modules = _static(folder, encoder) if static else _transformer(folder, encoder)
    if encoder.spec["normalize"]:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
        _json(folder / modules[-1][1] / "config.json", {})  # git and zip drop empty folders
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"{MODULES}.{kind}"}
        for place, (kind, path) in enumerate(modules)
    ]
    _json(folder / "modules.json", listed)
    spec = encoder.spec
    content: dict[str, Any] = {"prompts": spec.get("prompts", {}), "default_prompt_name": spec.get("prompt_name")}
    content |= {"similarity_fn_name": "cosine"} | ({"truncate_dim": cut} if (cut := spec.get("truncate")) else {})
    if widths := widths_in(about):
        content["matryoshka_dims"] = [each for each in widths if each < encoder.width] + [encoder.width]
    _json(folder / "config_sentence_transformers.json", {"__version__": {}, **content})
    again = text_encoder(str(folder), seed=0)
    others = "" if static else ", transformers (AutoModel, AutoTokenizer)"
    loaders = f"sentence-transformers (5 or newer){others} and kontrast"
    return certified(folder, encoder, about, again, ("sentence-transformers", loaders), usage=USAGE, program=PROGRAM)


def certified(
    folder: Path,
    encoder: TextEncoder,
    about: About,
    again: TextEncoder,
    told: tuple[str, str],
    *,
    usage: str,
    program: str,
) -> Certificate:
    """Compare what was read again with the encoder in memory, and write the card; Failed if they differ.

    told: the layout's name, and who loads it in words;  usage: code to paste;  program: see `elsewhere`
    """
    difference, largest = compared(folder, [embed(encoder, PROBES)], [embed(again, PROBES)])
    layout, loaders = told

    def text(known: About) -> str:
        return _card(encoder, known, loaders, difference, usage)

    certificate = Certificate(layout, loaders, difference, largest, text, program)
    certificate.write_card(folder, about)
    return certificate


def widths_in(about: About) -> list[int]:
    """The numbers of first columns that stand alone, as the run was told them."""
    words = str(about.settings.get("widths") or "").split(",")
    return sorted({int(word) for word in words if word.strip()})


def _static(folder: Path, encoder: TextEncoder) -> list[tuple[str, str]]:
    path = folder / "0_StaticEmbedding"
    path.mkdir(exist_ok=True)
    _weights(path, encoder.net.state_dict())
    encoder.tokenizer.save(path)
    return [("StaticEmbedding", path.name)]


def transformer_files(folder: Path, encoder: TextEncoder) -> dict[str, Any]:
    """Write config.json, model.safetensors and the tokenizer, as AutoModel reads them; returns the configuration."""
    spec, weights, pooler = encoder.spec, encoder.net.state_dict(), encoder.pooler
    if spec["name"] == "bert":
        config = _bert_config(spec, encoder.tokenizer.pad_id)
    else:
        config = dict(spec["config"])
        weights = {name.removeprefix("model."): tensor for name, tensor in weights.items()}
    if spec["name"] == "bert":  # a pooler that was never trained is written as the identity, or loading would warn
        unused = {"weight": torch.eye(encoder.hidden), "bias": torch.zeros(encoder.hidden)}
        dense = encoder.dense.state_dict() if pooler == "cls" else unused
        weights |= {f"pooler.dense.{name}": tensor for name, tensor in dense.items()}
    by_layers = pooler in ("first-last", "top2")
    _json(folder / "config.json", config | ({"output_hidden_states": True} if by_layers else {}))
    _weights(folder, weights)
    encoder.tokenizer.save(folder)
    return config


def _transformer(folder: Path, encoder: TextEncoder) -> list[tuple[str, str]]:
    """The encoder's own files and those of its pooling; the modules in order."""
    spec, pooler = encoder.spec, encoder.pooler
    by_layers = pooler in ("first-last", "top2")
    config = transformer_files(folder, encoder)
    _json(folder / "sentence_bert_config.json", {"max_seq_length": spec["max_length"], "do_lower_case": spec["lower"]})
    modules = [("Transformer", "")]
    if by_layers:
        modules.append(("WeightedLayerPooling", "1_WeightedLayerPooling"))
        layers = config.get("num_hidden_layers") or config.get("n_layers") or config["n_layer"]
        used = (1, layers) if pooler == "first-last" else (layers - 1, layers)
        each = torch.tensor([float(place in used) for place in range(layers + 1)])
        content = {"word_embedding_dimension": encoder.hidden, "layer_start": 0, "num_hidden_layers": layers}
        _json(folder / modules[-1][1] / "config.json", content)
        _weights(folder / modules[-1][1], {"layer_weights": each})
    modules.append(("Pooling", f"{len(modules)}_Pooling"))
    _json(folder / modules[-1][1] / "config.json", _pooling(encoder))
    activations = [each["activation"] for each in spec.get("dense", ())]
    linear = [each for each in encoder.after if isinstance(each, nn.Linear)]
    if pooler == "cls":
        activations, linear = ["torch.nn.modules.activation.Tanh"], [encoder.dense]
    for activation, layer in zip(activations, linear):
        modules.append(("Dense", f"{len(modules)}_Dense"))
        content = {"in_features": layer.in_features, "out_features": layer.out_features}
        content |= {"bias": layer.bias is not None}
        _json(folder / modules[-1][1] / "config.json", content | {"activation_function": activation})
        _weights(folder / modules[-1][1], {f"linear.{name}": tensor for name, tensor in layer.state_dict().items()})
    return modules


def _pooling(encoder: TextEncoder) -> dict[str, Any]:
    """The configuration of a Pooling module: its flags, and names too where flags could not tell their order."""
    by_layers = encoder.pooler in ("first-last", "top2")
    parts = ["mean"] if by_layers else encoder.pooler.replace("cls-before-pooler", "cls").split("+")
    theirs = {ours.removesuffix("-before-pooler"): name for name, (_, ours) in POOLINGS.items()}
    names = [theirs[part] for part in parts]
    content: dict[str, Any] = {"word_embedding_dimension": encoder.hidden}
    content["include_prompt"] = encoder.spec.get("include_prompt", True)
    content |= {f"pooling_mode_{flag}": name in names for name, (flag, _) in POOLINGS.items()}
    in_order = names == [name for name in POOLINGS if name in names]
    return content if in_order else content | {"pooling_mode": names}


def _bert_config(spec: dict[str, Any], pad_id: int) -> dict[str, Any]:
    """BERT's config.json, which transformers reads as it stands."""
    shape = vars(Shape(**spec["shape"]))
    numbers = {BERT_NAMES[name]: value for name, value in shape.items()}
    fixed = {"architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu", "pad_token_id": pad_id}
    return fixed | {"position_embedding_type": "absolute"} | numbers


def _weights(folder: Path, weights: dict[str, Tensor]) -> None:
    """fp32, and no date, duration or path in it."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    tensors = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    files.write_tensors(folder / "model.safetensors", tensors, {"format": "pt"})


def _json(path: Path, content: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    files.write(path, json.dumps(content, indent=2) + "\n")


def _card(encoder: TextEncoder, about: About, loaders: str, difference: float, usage: str) -> str:
    tags = ["sentence-transformers", "sentence-similarity", "contrastive-learning", about.method]
    licence = [f"license: {json.dumps(about.license)}"] if about.license != "unknown" else []
    front = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags:",
        *(f"- {json.dumps(tag)}" for tag in tags),
        *licence,
        "---",
    ]
    sections = [
        "\n".join(front),
        f"# A sentence encoder trained with {about.method}",
        f"A sentence in, a vector of {encoder.width} numbers out; at most {encoder.spec['max_length']:,} tokens are "
        f"read. Trained by contrast on {about.data}. Sentences alike in meaning have a large cosine.",
        about.verdict,
        "## Load it",
        f"Read by {loaders}. Read again after writing and compared with the encoder in memory: largest difference "
        f"{difference:.1e}.",
        usage,
        f"Pooling: {encoder.pooler}.",
        fewer(about, 'SentenceTransformer("model", truncate_dim={width})'),
        "## How good it is",
        table(about) or "It was not evaluated.",
        "## How it was trained",
        settings_table(about),
        "## Limits",
        "It knows what its sentences showed and what was called the same. Measure it on your own sentences before you "
        f"rely on it. Licence of the weights: {about.license}.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"
