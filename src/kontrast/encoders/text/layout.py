"""What a folder with a sentence model says about itself: sentence-transformers' files, or plain transformers'.

    Transformer | StaticEmbedding, [WeightedLayerPooling], Pooling, Dense ..., [Normalize]

is what kontrast builds, in this order; anything else is refused by its name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from kontrast.encoders import weight_files
from kontrast.encoders.no_code import refuse_code
from kontrast.errors import Unfit

ORDER = ("Transformer", "StaticEmbedding", "WeightedLayerPooling", "Pooling", "Dense", "Normalize")
POOLINGS = {  # sentence-transformers' name: (its old flag, ours), in the order in which several flags are joined
    "cls": ("cls_token", "cls-before-pooler"),
    "max": ("max_tokens", "max"),
    "mean": ("mean_tokens", "mean"),
    "mean_sqrt_len_tokens": ("mean_sqrt_len_tokens", "mean-sqrt-len"),
    "weightedmean": ("weightedmean_tokens", "weighted-mean"),
    "lasttoken": ("lasttoken", "last"),
}
ACTIVATIONS = (
    "Identity",
    "Tanh",
    "GELU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "ELU",
    "SELU",
    "CELU",
    "LeakyReLU",
    "Mish",
    "Softplus",
    "Softsign",
    "Hardswish",
    "Hardtanh",
    "ReLU6",
    "LogSigmoid",
    "Tanhshrink",
)
BEGIN_AFTER_PADDING = ("roberta", "xlm-roberta", "mpnet", "camembert", "xlm-roberta-xl", "longformer")


class Layout:
    """pooler    ours, several joined by "+"; None where the folder names none
    dense     a {"in", "out", "bias", "activation"} for each layer after pooling, in `dense_weights` its tensors
    prompt    what stands before every text; `prompts` all that there are, `prompt_name` the default one
    truncate  how many of the numbers are kept; None: all
    """

    def __init__(self, folder: Path) -> None:
        self.folder = self.model = folder
        self.pooler: str | None = None
        self.normalize = self.lower = False
        self.include_prompt = True
        self.static: Path | None = None
        self.dense: list[dict[str, Any]] = []
        self.dense_weights: list[dict[str, Tensor]] = []
        self._limit: int | None = None
        self._layers: list[float] = []
        place = 0
        for module in read_json(folder / "modules.json") or []:
            kind = _kind(module, folder)
            if ORDER.index(kind) < place:
                raise Unfit(f"{folder}: its modules come in an order that kontrast does not build ({kind} is late).")
            place = ORDER.index(kind)
            self._module(kind, folder / module["path"])
        if self._layers:
            self.pooler = _by_layers(self._layers, folder)
        if len(self.dense) == 1 and self.pooler == "cls-before-pooler" and _is_simcse(self.dense[0]):
            self.pooler = "cls"
        told = read_json(folder / "config_sentence_transformers.json") or {}
        self.prompts: dict[str, str] = {name: text for name, text in (told.get("prompts") or {}).items() if text}
        self.prompt_name: str | None = told.get("default_prompt_name")
        if self.prompt_name and self.prompt_name not in (told.get("prompts") or {}):
            raise Unfit(f"{folder}: its default prompt {self.prompt_name!r} is none of its prompts.")
        self.truncate: int | None = told.get("truncate_dim")
        refuse_code(self.model)
        if (self.model / "adapter_config.json").is_file():
            raise Unfit(f"{folder} holds an adapter (LoRA): merge it into its model first (peft: merge_and_unload).")

    @property
    def prompt(self) -> str:
        return self.prompts.get(self.prompt_name or "", "")

    def _module(self, kind: str, path: Path) -> None:
        content = read_json(path / "config.json") or {}
        if kind == "Transformer":
            self.model = path
            own = read_json(path / "sentence_bert_config.json") or {}
            self._limit, self.lower = own.get("max_seq_length"), bool(own.get("do_lower_case"))
        elif kind == "StaticEmbedding":
            self.static = path
        elif kind == "Pooling":
            self.pooler = _pooling(content, self.folder)
            self.include_prompt = bool(content.get("include_prompt", True))
        elif kind == "WeightedLayerPooling":
            self._layers = weight_files.read(path)["layer_weights"].tolist()
        elif kind == "Dense":
            self.dense.append(_dense(content, path))
            self.dense_weights.append(weight_files.read(path))
        else:
            self.normalize = True

    def config(self) -> dict[str, Any]:
        found = read_json(self.model / "config.json")
        if not isinstance(found, dict) or "model_type" not in found:
            raise Unfit(f"{self.folder} is no model folder: it has no config.json that names a model_type.")
        if "vision_config" in found:
            raise Unfit(
                f"{self.folder} holds {found['model_type']}, a model of pictures and words in transformers' layout; "
                "kontrast reads two towers from open_clip's folders."
            )
        if "quantization_config" in found:
            raise Unfit(f"{self.folder} holds quantized weights, which kontrast does not read.")
        return found

    def length(self, config: dict[str, Any]) -> int:
        """Tokens a text may have: as the folder says, at most what its positions allow."""
        content = (read_json(self.model / "tokenizer_config.json") or {}).get("model_max_length")
        positions = config.get("max_position_embeddings") or config.get("n_positions") or 512
        if config["model_type"] in BEGIN_AFTER_PADDING:
            positions -= 2  # their positions begin after the padding's
        return int(min(self._limit or content or positions, positions))


def read_json(path: Path) -> Any:
    """The content of a JSON file, None where there is no such file. Raises Unfit where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise Unfit(f"{path} is not JSON: {error}") from error


def _kind(module: dict[str, Any], folder: Path) -> str:
    """The name of a module of sentence-transformers' own; a class from elsewhere would be code of the folder."""
    whose, _, kind = str(module["type"]).rpartition(".")
    if not whose.startswith("sentence_transformers."):
        raise Unfit(f"{folder} brings its own program ({module['type']}), and kontrast runs no code from a folder.")
    if kind not in ORDER:
        raise Unfit(f"{folder}: its module {kind!r} is none that kontrast knows.")
    return kind


def _pooling(content: dict[str, Any], folder: Path) -> str:
    named = content.get("pooling_mode")
    if named is None:
        named = [name for name, (flag, _) in POOLINGS.items() if content.get(f"pooling_mode_{flag}")] or ["mean"]
    names = [named] if isinstance(named, str) else list(named)
    if unknown := [name for name in names if name not in POOLINGS]:
        raise Unfit(f"{folder}: its pooling {unknown[0]!r} is not known; known are {', '.join(POOLINGS)}.")
    return "+".join(POOLINGS[name][1] for name in names)


def _dense(content: dict[str, Any], path: Path) -> dict[str, Any]:
    inside = content.get("module_input_name", "sentence_embedding"), content.get("module_output_name")
    if content.get("use_residual") or inside[0] != "sentence_embedding" or inside[1] not in (None, inside[0]):
        raise Unfit(f"{path}: kontrast builds no Dense with a residual, nor one on anything but the pooled vector.")
    activation = str(content.get("activation_function") or "torch.nn.modules.linear.Identity")
    whose, _, kind = activation.rpartition(".")
    if not whose.startswith("torch.nn.modules") or kind not in ACTIVATIONS:
        raise Unfit(f"{path}: its activation {activation} is none that kontrast knows.")
    return {
        "in": content["in_features"],
        "out": content["out_features"],
        "bias": content.get("bias", True),
        "activation": activation,
    }


def _is_simcse(dense: dict[str, Any]) -> bool:
    """BERT's own pooler after the first token: a square Linear with bias, and tanh."""
    square = dense["in"] == dense["out"] and dense["bias"]
    return bool(square) and str(dense["activation"]).endswith(".Tanh")


def _by_layers(weights: list[float], folder: Path) -> str:
    used = tuple(at for at, weight in enumerate(weights) if weight)
    last = len(weights) - 1
    known: dict[tuple[int, ...], str] = {(1, last): "first-last", (last - 1, last): "top2"}
    if len({weights[at] for at in used}) != 1 or used not in known:
        raise Unfit(f"{folder}: its weights over layers {weights} are neither first-last nor top2.")
    return known[used]
