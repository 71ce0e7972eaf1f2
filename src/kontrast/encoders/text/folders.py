"""Reading other people's sentence models: Hugging Face and sentence-transformers folders.

A BERT folder becomes our own `Bert`, with keyed dropout and no padding; any other architecture runs in transformers.

Shapes: B texts, L tokens of the longest, H width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kontrast import files
from kontrast.encoders import hub
from kontrast.encoders.text import tokens as tokenizers
from kontrast.encoders.text.bert import Bert, Shape
from kontrast.encoders.text.encoder import UNLIMITED, Table, TextEncoder
from kontrast.encoders.weights import drawn_from
from kontrast.errors import Unfit

BERT_NAMES = {  # ours -> BertConfig's
    "vocabulary": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "positions": "max_position_embeddings",
    "types": "type_vocab_size",
    "epsilon": "layer_norm_eps",
    "dropout": "hidden_dropout_prob",
    "attention_dropout": "attention_probs_dropout_prob",
}


class Foreign(nn.Module):
    """A transformers model. It draws dropout from torch's global generator, and this is the one place that lends it.

    The generator is set from the rows' keys, so the same batch of a step always has the same masks. They depend on
    which rows come together: with other chunks or process counts set its dropout to 0 where bits must not change.
    """

    def __init__(self, model: Any) -> None:  # a transformers PreTrainedModel
        super().__init__()
        self.model = model

    @classmethod
    def of(cls, config: dict[str, Any], seed: int) -> Foreign:
        """With fresh weights, from the content of a `config.json`."""
        from transformers import AutoConfig, AutoModel

        with drawn_from("encoder", seed):
            return cls(AutoModel.from_config(AutoConfig.for_model(**config)))

    def words(self) -> Tensor:
        """The vectors of the vocabulary, (vocabulary, H)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    def forward(self, ids_BL: Tensor, mask_BL: Tensor, key_B: Tensor | None = None) -> Sequence[Tensor]:
        tokens = {"input_ids": ids_BL, "attention_mask": mask_BL, "output_hidden_states": True}
        if key_B is None:
            states: Sequence[Tensor] = self.model.train(False)(**tokens).hidden_states
            return states
        seed = int(key_B.cpu().sum())
        devices = [ids_BL.device] if ids_BL.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.default_generator.set_state(torch.Generator().manual_seed(seed).get_state())
            if devices:
                torch.cuda.default_generators[ids_BL.device.index or 0].manual_seed(seed)
            states = self.model.train(True)(**tokens).hidden_states
        return states


def fetched(name: str, pretrained: bool) -> Path:
    """The folder of a model on the hub, from the cache or the internet; Unfit when neither has it."""
    if not pretrained:
        raise Unfit(
            f'There is no folder {name!r}. Give a model folder, "small" or "static"; '
            "a name on the Hugging Face hub needs --pretrained as well."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        with hub.within_reach():
            return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*/config.json"]))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise Unfit(
            f'The model "{name}" is no folder here, and it could not be fetched from the Hugging Face hub '
            "(offline, or no such name). Give the path of a downloaded folder: --encoder FOLDER."
        ) from error


def from_folder(folder: Path, *, pooler: str | None, seed: int, name: str) -> TextEncoder:
    """The encoder in a folder, its pooling read where sentence-transformers wrote it, else "mean", which is said."""
    layout = _Layout(folder)
    if layout.static is not None:
        return _static(layout, name, pooler)
    config = layout.config()
    messages = []
    if pooler is None and layout.pooler is None:
        messages.append(f"{name} names no pooling: the mean over tokens is taken (--pooler changes it)")
    chosen = pooler or layout.pooler or "mean"
    tokenizer = tokenizers.read(
        layout.model, max_length=layout.length(config), pad_id=config.get("pad_token_id"), lower=layout.lower
    )
    spec = {
        "width": config.get("hidden_size") or config.get("dim") or config["d_model"],
        "pooler": chosen,
        "normalize": layout.normalize,
        "max_length": tokenizer.max_length,
        "lower": layout.lower,
    }
    net: Bert | Foreign
    if _is_plain_bert(config):
        spec |= {
            "name": "bert",
            "shape": {ours: config[theirs] for ours, theirs in BERT_NAMES.items() if theirs in config},
        }
        net = Bert(Shape(**spec["shape"]), seed=seed)
        _fill(net, layout.weights(), name)
    else:
        spec |= {"name": "huggingface", "config": config}
        net = _foreign(layout.model, name)
    encoder = TextEncoder(net, tokenizer, spec, tuple(messages), seed=seed)
    if chosen == "cls" and pooler is None:
        encoder.dense.load_state_dict({key.removeprefix("linear."): value for key, value in layout.dense().items()})
    return encoder


class _Layout:
    """What a folder says about itself, in the classic sentence-transformers files or without them."""

    def __init__(self, folder: Path) -> None:
        self.folder = self.model = folder
        self.pooler: str | None = None
        self.normalize = self.lower = False
        self.static: Path | None = None
        self._dense: Path | None = None
        self._limit: int | None = None
        layers: list[float] = []
        for module in _json(folder / "modules.json") or []:
            kind, path = module["type"].rsplit(".", 1)[-1], folder / module["path"]
            if kind == "Transformer":
                self.model = path
                content = _json(path / "sentence_bert_config.json") or {}
                self._limit, self.lower = content.get("max_seq_length"), bool(content.get("do_lower_case"))
            elif kind == "StaticEmbedding":
                self.static = path
            elif kind == "Pooling":
                self.pooler = _pooling(_json(path / "config.json") or {}, folder)
            elif kind == "WeightedLayerPooling":
                layers = files.read_tensors(path / "model.safetensors")["layer_weights"].tolist()
            elif kind == "Dense":
                self._dense = path
            elif kind == "Normalize":
                self.normalize = True
            else:
                raise Unfit(f"{folder}: its module {kind!r} is none that kontrast knows.")
        if layers:
            self.pooler = _by_layers(layers, folder)
        if self._dense is not None:
            content = _json(self._dense / "config.json") or {}
            if self.pooler != "cls-before-pooler" or not str(content.get("activation_function", "")).endswith("Tanh"):
                raise Unfit(f"{folder}: a Dense module is read only as SimCSE's pooler, a tanh after the first token.")
            self.pooler = "cls"

    def config(self) -> dict[str, Any]:
        found = _json(self.model / "config.json")
        if not isinstance(found, dict) or "model_type" not in found:
            raise Unfit(f"{self.folder} is no model folder: it has no config.json that names a model_type.")
        return found

    def length(self, config: dict[str, Any]) -> int:
        """Tokens a text may have: as the folder says, at most what its positions allow."""
        content = (_json(self.model / "tokenizer_config.json") or {}).get("model_max_length")
        positions = config.get("max_position_embeddings") or config.get("n_positions") or 512
        if config["model_type"] in ("roberta", "xlm-roberta", "mpnet", "camembert"):
            positions -= 2  # their positions begin after the padding's
        return int(min(self._limit or content or positions, positions))

    def weights(self) -> dict[str, Tensor]:
        path = self.model / "model.safetensors"
        if not path.is_file():
            raise Unfit(
                f"{self.folder} has no model.safetensors; pickled weights (.bin) are not opened: convert them first."
            )
        weights: dict[str, Tensor] = files.read_tensors(path)
        return weights

    def dense(self) -> dict[str, Tensor]:
        assert self._dense is not None
        weights: dict[str, Tensor] = files.read_tensors(self._dense / "model.safetensors")
        return weights


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except json.JSONDecodeError as error:
        raise Unfit(f"{path} is not JSON: {error}") from error


def _pooling(content: dict[str, Any], folder: Path) -> str:
    asked = {
        key.removeprefix("pooling_mode_")
        for key, value in content.items()
        if key.startswith("pooling_mode_") and value is True
    }
    asked |= {"mean_tokens": {"mean_tokens"}, "mean": {"mean_tokens"}, "cls": {"cls_token"}}.get(
        content.get("pooling_mode", ""), set()
    )
    known = {frozenset({"mean_tokens"}): "mean", frozenset({"cls_token"}): "cls-before-pooler"}
    if frozenset(asked) not in known:
        raise Unfit(f"{folder}: its pooling ({', '.join(sorted(asked)) or 'none'}) is not known; mean and cls are.")
    return known[frozenset(asked)]


def _by_layers(weights: list[float], folder: Path) -> str:
    used = tuple(at for at, weight in enumerate(weights) if weight)
    last = len(weights) - 1
    known: dict[tuple[int, ...], str] = {(1, last): "first-last", (last - 1, last): "top2"}
    if len({weights[at] for at in used}) != 1 or used not in known:
        raise Unfit(f"{folder}: its weights over layers {weights} are neither first-last nor top2.")
    return known[used]


def _is_plain_bert(config: dict[str, Any]) -> bool:
    return (
        config["model_type"] == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder", False)
    )


def _fill(net: Bert, weights: dict[str, Tensor], name: str) -> None:
    """Load, past the heads that came with the weights (pooler, masked words); all of the net's own must be there."""
    weights = {key.removeprefix("bert."): value.float() for key, value in weights.items()}
    mine = net.state_dict()
    missing = [key for key in mine if key not in weights]
    deeper = [key for key in weights if key.startswith("encoder.") and key not in mine]
    if missing or deeper:
        told = f"misses {missing[0]}" if missing else f"holds {deeper[0]}, which config.json does not count"
        raise Unfit(f"{name}: model.safetensors {told}.")
    net.load_state_dict({key: weights[key] for key in mine})


def _foreign(folder: Path, name: str) -> Foreign:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        with drawn_from("encoder", 0):  # a head that the folder lacks is drawn, and never used
            return Foreign(AutoModel.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32))
    except (OSError, ValueError, KeyError) as error:
        raise Unfit(f"{name}: transformers cannot load this folder: {error}") from error


def _static(layout: _Layout, name: str, pooler: str | None) -> TextEncoder:
    if pooler not in (None, "mean"):
        raise Unfit(f"{name} averages its word vectors: --pooler mean, not {pooler}.")
    assert layout.static is not None
    weight = files.read_tensors(layout.static / "model.safetensors")["embedding.weight"].float()
    tokenizer = tokenizers.read(layout.static, max_length=UNLIMITED, special=False)
    table = Table(*weight.shape)
    table.load_state_dict({"embedding.weight": weight})
    spec = {
        "name": "static",
        "shape": {"vocabulary": len(weight), "width": weight.shape[1]},
        "width": weight.shape[1],
        "pooler": "mean",
        "normalize": layout.normalize,
        "max_length": tokenizer.max_length,
        "lower": False,
    }
    return TextEncoder(table, tokenizer, spec)
