"""`kontrast compare A B`: scores side by side, the settings that differ, and whose neighbours have changed.

Shapes: N samples that are looked at, k neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kontrast import keyed
from kontrast.commands.evaluate import evaluate
from kontrast.commands.outputs import claim_page
from kontrast.commands.vectors import opened
from kontrast.data.source import Source
from kontrast.errors import Unfit
from kontrast.evaluate.changes import Changes, changes
from kontrast.evaluate.formatting import rows as tested
from kontrast.keyed import Ids
from kontrast.modalities.registry import load
from kontrast.report.compare_page import Comparison
from kontrast.report.compare_page import write as write_page
from kontrast.report.text_neighbours import Answer, Quote

LOOKED_AT = 5_000  # samples whose neighbours are compared, a keyed choice
SHOWN = 24  # of them on the page, and in the JSON
ANSWERS = 8  # neighbours of each on the page
PRINTED, LETTERS = 5, 60  # changed samples in the terminal, and letters of each


def compare(
    models: Sequence[str | Path],
    data: Any,
    *,
    out: Path | None = None,
    k: int = 10,
    split: str | None = None,
    labels: str | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], list[str]]:
    """(what differs, the lines that say it) between two or more run or model folders that embed the same data.

    The first model is compared with each of the others. `out` is a page with the pictures or texts.
    """
    if len(models) < 2:
        raise Unfit("compare: two models were expected, such as kontrast compare runs/a runs/b --data DATA.")
    if out is not None:
        claim_page("--out", out, (data,))
    names = _names(models)
    in_use = [load(model) for model in models]
    sources = [opened(model, data, split) for model in in_use]
    ids = _same(sources, names)
    k = min(k, len(ids) - 1)
    if k < 1:
        raise Unfit(f"{sources[0].name} holds {len(ids)} samples; at least two are needed, and -k from 1 on.")
    spaces = [model.embed_source(source, ids) for model, source in zip(in_use, sources)]
    found = [changes(spaces[0], space, k) for space in spaces[1:]]
    called = dict(zip(sources[0].ids.tolist(), in_use[0].called(sources[0])))
    scores, why = _scores(models, names, data, split, labels, seed)
    settings = _settings(models)
    result: dict[str, Any] = {"models": names, "scores": scores, "settings": settings, "neighbours": []}
    lines = [*_score_lines(names, scores, why), *_setting_lines(names, settings)]
    for name, change in zip(names[1:], found):
        most = change.most(SHOWN)
        told = [
            {
                "row": int(ids[n]),
                "name": called[int(ids[n])],
                "change": round(float(change.change[n]), 4),
                "kept": round(float(change.kept[n]), 4),
            }
            for n in most
        ]
        result["neighbours"].append({"models": [names[0], name], "kept": float(change.kept.mean()), "most": told})
        lines.append(_headline(names[0], name, change, k))
        for one in told[:PRINTED]:
            lines.append(f"         {one['change']:.3f} moved, {one['kept']:.0%} kept: {one['name'][:LETTERS]}")
    if out is not None:
        quotes = _quotes(sources[0], ids, [called[int(i)] for i in ids], names[:2], found[0])
        page = Comparison(
            names,
            sources[0].name,
            _headline(names[0], names[1], found[0], k),
            why,
            [[test, *(_cell(scores[name].get(test)) for name in names)] for test in _tests(scores)],
            [[setting, *values] for setting, values in settings.items()],
            quotes,
        )
        write_page(out, page)
        lines.append(f"wrote    {out}")
    return result, lines


def _headline(first: str, second: str, change: Changes, k: int) -> str:
    none = int((change.kept == 0).sum())
    return (
        f"{second} keeps {change.kept.mean():.0%} of the {k} nearest neighbours of {first}, on average over "
        f"{len(change.kept):,} samples; {none:,} keep none"
    )


def _names(models: Sequence[str | Path]) -> list[str]:
    """The last parts of the folders, as many as tell them apart."""
    paths = [Path(model).resolve() for model in models]
    for parts in range(1, 4):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{path.name} ({number})" for number, path in enumerate(paths, 1)]


def _same(sources: Sequence[Source], names: Sequence[str]) -> Ids:
    """Samples that all models take, at most so many; Unfit where they see other data."""
    ids = sources[0].ids
    for name, source in zip(names, sources):
        if list(source.names) != list(sources[0].names):
            raise Unfit(
                f"{name} reads other samples of the data than {names[0]}: they cannot be compared by neighbours."
            )
        ids = np.intersect1d(ids, source.ids)
    count = min(len(ids), LOOKED_AT)
    return np.sort(ids[keyed.permuted(np.arange(count), len(ids), "compared")])


def _scores(
    models: Sequence[str | Path], names: Sequence[str], data: Any, split: str | None, labels: str | None, seed: int
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """(by model and test its title, value and range as they are read; why some could not be tested)."""
    scores: dict[str, dict[str, Any]] = {}
    why = []
    for name, model in zip(names, models):
        try:
            found, _ = evaluate(model, data, split=split, labels=labels, seed=seed)
        except Unfit as problem:
            scores[name] = {}
            why.append(f"{name} has no scores: {problem}")
            continue
        scores[name] = {
            row.metric.title: {
                "value": row.values["learned"],
                "range": row.around,
                "read": row.metric.shown(row.values["learned"]),
                "between": [row.metric.shown(edge) for edge in row.around or ()],
            }
            for row in tested(found)
            if row.values.get("learned") is not None
        }
    return scores, why


def _tests(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(test for found in scores.values() for test in found))


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "–"
    return str(score["read"]) + (f"\n{' to '.join(score['between'])}" if score["between"] else "")


def _score_lines(names: Sequence[str], scores: Mapping[str, Mapping[str, Any]], why: Sequence[str]) -> list[str]:
    if not _tests(scores):
        return list(why)
    lines = [f"{'%':<26}" + "".join(f"{name[-20:]:>22}" for name in names)]
    for test in _tests(scores):
        cells = (_cell(scores[name].get(test)).replace("\n", " (") for name in names)
        lines.append(f"{test:<26}" + "".join(f"{cell + (')' if '(' in cell else ''):>22}" for cell in cells))
    return [*lines, *why]


def _settings(models: Sequence[str | Path]) -> dict[str, list[str]]:
    """What the configurations say differently; of bare model folders nothing is known."""
    told = []
    for model in models:
        file = Path(model) / "config.yaml"
        content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {}
        told.append(_flat(content if isinstance(content, dict) else {}))
    names = [name for name in dict.fromkeys(name for one in told for name in one) if name not in ("out", "name")]
    rows = {name: ["–" if name not in one else str(one[name]) for one in told] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def _flat(content: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in content.items():
        found |= _flat(value, f"{under}{name}.") if isinstance(value, Mapping) else {f"{under}{name}": value}
    return found


def _setting_lines(names: Sequence[str], settings: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{name:<26}" + "".join(f"{value[:20]:>22}" for value in values) for name, values in settings.items()]


def _quotes(source: Source, ids: Ids, called: Sequence[str], names: Sequence[str], change: Changes) -> list[Quote]:
    """The most changed samples, each with what both find; what the other one finds too is marked."""

    def content(n: int) -> Any:
        return called[n] if source.pictures is None else source.images([int(ids[n])])[0]

    found = []
    for n in change.most(SHOWN):
        both = [set(side[n].tolist()) for side in (change.first, change.second)]
        answers = {
            name: [
                Answer(content(other), float("nan"), other in both[1 - number]) for other in side[n].tolist()[:ANSWERS]
            ]
            for number, (name, side) in enumerate(zip(names, (change.first, change.second)))
        }
        found.append(Quote(content(n), answers))
    return found
