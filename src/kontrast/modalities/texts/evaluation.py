"""`kontrast evaluate` of a sentence encoder: a file of sentences or pairs, or a folder of STS sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kontrast.data.open import open_source
from kontrast.data.readers.tables import ENDINGS
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate import formatting, sentences, sts
from kontrast.evaluate.embedders import Embed
from kontrast.evaluate.registry import protocol_named
from kontrast.modalities.inference import columns_of
from kontrast.modalities.modality import Request
from kontrast.modalities.texts.model import TextModel, load_text
from kontrast.modalities.widths import of_run


def embedders(columns: Mapping[str, TextModel]) -> dict[str, Embed]:
    """What the tests call."""
    return {name: model.embed_text for name, model in columns.items()}


def evaluated(path: Path, data: Any, request: Request) -> tuple[dict[str, Any], list[str]]:
    """(the JSON, the lines of its table) of a sentence encoder on scored pairs, pairs, or sentences alone.

    data: a file; or a folder of files with scored pairs: then one row for each and their average.
    """
    if request.classes is not None or request.templates is not None:
        raise Unfit("--classes and --templates are for zero-shot, which needs a model of pictures and words (clip).")
    columns, _ = columns_of(load_text(path), None, request.seed, None, of_run(path))
    columns.pop("before")
    if isinstance(data, str | Path) and Path(data).is_dir():
        return _sets(columns, Path(data), request)
    source = _tested(open_source(data, split=request.split, texts_only=True), request.split)
    result = sentences.evaluate(embedders(columns), source, protocols=request.protocols, seed=request.seed)
    return result, [*formatting.table(result), formatting.sentence(result)]


def _sets(columns: Mapping[str, TextModel], folder: Path, request: Request) -> tuple[dict[str, Any], list[str]]:
    """A row for each STS set of a folder, and their average."""
    files = sorted(file for file in folder.iterdir() if file.suffix in ENDINGS)
    if not files:
        raise Unfit(f"{folder} holds no table ({', '.join(ENDINGS)}); a folder of STS sets was expected.")
    sources = [_tested(open_source(file), request.split) for file in files]
    for name in request.protocols:
        if protocol_named(name).name != "sts":
            raise Unfit(f"Protocol {name!r} does not fit {folder}, a folder of scored pairs; what fits: sts.")
    texts = [text for source in sources for role in ("first", "second") for text in source.texts(source.ids, role)]
    table = sts.several({**embedders(columns), "raw_input": sentences.tf_idf(texts)}, sources)
    result = {who: {"spearman": found["average"], "sets": found} for who, found in table.items()}
    return result, sts.lines(table)


def _tested(source: Source, split: str | None) -> Source:
    """The split that was asked for, else the test split where there is one."""
    named = split or ("test" if "test" in source.splits else None)
    return source.split(named) if named is not None and named in source.splits else source
