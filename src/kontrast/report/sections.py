"""The sections of the report as HTML. Each is empty when there is nothing to show."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from kontrast.evaluate.formatting import columns, conditions, heading, rows
from kontrast.report.curves import Chart, captioned
from kontrast.report.image_neighbours import Found, Question
from kontrast.report.text_neighbours import Answer, Quote

SMALL = 48  # pixels; pictures up to this size are kept without loss
THUMB = 96  # pixels of the larger side
WHO = {
    "learned": ("learned encoder", "what this run is about"),
    "before": ("before training", "the weights it began with"),
    "random_weights": ("random weights", "nothing learned"),
    "raw_input": ("raw pixels", "no encoder at all"),
}
RAW = {"TF-IDF": ("word counts", "TF-IDF, no encoder at all")}  # what the raw input is, where it is not pixels


def curves(charts: Sequence[tuple[Chart, str]], log: Sequence[Mapping[str, Any]], caption: Sequence[str]) -> str:
    """The charts with their captions, or why there are none."""
    figures = "".join(
        f'<figure class="chart"><h3>{chart.title}</h3><p>{escape(captioned(chart, log))}</p>{place}</figure>'
        for chart, place in charts
    )
    body = f'<div class="charts">{figures}</div>' if figures else "".join(f"<p>{escape(line)}.</p>" for line in caption)
    return _section("How the training went", "", body)


def positives(sheet: Image.Image | None, caption: str) -> str:
    """Real positive pairs, as the method saw them."""
    if sheet is None:
        return ""
    body = f'<div class="sheet"><img src="{data_uri(sheet)}" alt="pairs that count as the same"></div>'
    return _section("What counted as the same", escape(caption), body)


def commands(lines: Sequence[str]) -> str:
    """What to type next."""
    return _section("What to do next", "", f"<pre>{escape(chr(10).join(lines))}</pre>" if lines else "")


def evaluation(result: Mapping[str, Any]) -> str:
    """The table of `formatting.rows`, every test explained in a line."""
    if not result:
        return ""
    caption = (
        "Every column took the same tests on the same items. Trust the difference between the columns more than any "
        "number alone."
    )
    wanted = columns(result)
    who = WHO | {"raw_input": RAW.get(result["about"].get("raw", ""), WHO["raw_input"])}
    head = "".join(f"<th>{who[name][0] if name in who else heading(name)}</th>" for name in wanted)
    lines = []
    for _, metric, values, around, chance in rows(result):
        cells = ""
        for column in wanted:
            between = f"<small>{' to '.join(map(metric.shown, around))}</small>" if around else ""
            inside = f"{metric.shown(values[column]) or '–'}{between if column == 'learned' else ''}"
            cells += f'<td class="{column}">{inside}</td>'
        cells += f"<td>{metric.shown(chance) or '–'}</td>"
        unit = f", {metric.unit}" if metric.unit else ""
        lines.append(f"<tr><th>{metric.title}{unit}<small>{metric.question}</small></th>{cells}</tr>")
    notes = "".join(f"<br>{escape(line)}" for line in conditions(result))
    body = (
        f'<div class="scroll"><table><thead><tr><th>test</th>{head}<th>guessing</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f"<p><small>Below the learned value: its 95 % range.{notes}</small></p>"
    )
    return _section("What it learned", caption, body)


def _asked(questions: Sequence[Question]) -> str:
    caption = "Held-out pictures that training never used. Each is followed by its nearest neighbours, best first, as "
    caption += "different encoders see them: the better the encoder, the more alike they are to you."
    if any(one.asked.label for one in questions):
        caption += (
            ' <span class="key"></span> same class, <span class="key other"></span> another class (labels are used for '
            "this colouring only)."
        )
    return caption


def questions(asked: Sequence[Question]) -> str:
    """Held-out pictures, each with the neighbours that every encoder finds."""
    cards = []
    for one in asked:
        lines = []
        for column, found in one.answers.items():
            who, what = WHO.get(column, (column, ""))
            if one.asked.label:
                what = f"{sum(other.label == one.asked.label for other in found)} of {len(found)} same class"
            lines.append(f'<span class="who">{who}<small>{what}</small></span>')
            lines += [_thumb(other, _sameness(one.asked, other)) for other in found]
        label = f"<figcaption>{escape(one.asked.label)}</figcaption>" if one.asked.label else ""
        cards.append(
            f'<div class="question"><figure>{_thumb(one.asked, "")}{label}</figure>'
            f'<div class="answers">{"".join(lines)}</div></div>'
        )
    return _section("See for yourself", _asked(asked), "\n".join(cards))


def quotes(asked: Sequence[Quote], title: str, caption: str, *, raw: str = "", own: str = "belongs to it") -> str:
    """Sentences, captions or pictures, each with what several encoders find nearest; `own`: what marked ones are."""
    who = WHO | {"raw_input": RAW.get(raw, WHO["raw_input"])}
    if any(answer.own for one in asked for found in one.answers.values() for answer in found):
        caption += f' <span class="key"></span> {own}.'
    cards = []
    for one in asked:
        lines = []
        for column, found in one.answers.items():
            name, what = who.get(column, (escape(column), ""))
            kind = "lines" if found and isinstance(found[0].content, str) else "pictures"
            shown = "".join(_answer(answer) for answer in found)
            lines.append(f'<div class="who">{name}<small>{what}</small></div><div class="{kind}">{shown}</div>')
        question = _plain(one.asked) if isinstance(one.asked, str) else _thumb(Found(one.asked, "", 1.0), "")
        cards.append(f'<div class="quote"><div class="asked">{question}</div>{"".join(lines)}</div>')
    return _section(title, caption, "\n".join(cards))


def examples(rows: Sequence[Sequence[str]], head: Sequence[str], caption: str) -> str:
    """Texts that counted as the same, side by side."""
    if not rows:
        return ""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    cells = "".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    table = (
        f'<div class="scroll"><table class="texts"><thead><tr>{names}</tr></thead><tbody>{cells}</tbody></table></div>'
    )
    return _section("What counted as the same", escape(caption), table)


def _answer(answer: Answer) -> str:
    mark = " own" if answer.own else ""
    if isinstance(answer.content, str):
        score = "" if math.isnan(answer.score) else f"<small>{answer.score:.2f}</small> "
        return f'<p class="line{mark}">{score}{escape(answer.content)}</p>'
    return _thumb(Found(answer.content, "", answer.score), "same" if answer.own else "plain")


def _plain(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _sameness(asked: Found, other: Found) -> str:
    return "" if not asked.label or not other.label else "same" if asked.label == other.label else "other"


def _thumb(found: Found, kind: str) -> str:
    image = _image(found.picture)
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    title = escape(f"{found.label} cosine {found.score:.3f}".strip() if kind or found.score < 1 else found.label)
    return f'<img class="{kind}" src="{data_uri(image)}" alt="{title}" title="{title}" loading="lazy">'


def data_uri(image: Image.Image) -> str:
    """A picture as text inside the page: a small or a grey one or a drawing as PNG, a photograph as JPEG."""
    file = io.BytesIO()
    photo = image.mode == "RGB" and SMALL < max(image.size) <= THUMB
    image.save(file, "JPEG", quality=85) if photo else image.save(file, "PNG", optimize=True)
    return f"data:image/{'jpeg' if photo else 'png'};base64,{base64.b64encode(file.getvalue()).decode()}"


def _image(pixels: Tensor) -> Image.Image:
    """Pixels (C, H, W), uint8, uint16 or floats in [0, 1], as a picture; all but 3 channels as their first one."""
    if pixels.dtype == torch.uint8:
        pixels = pixels / 255
    elif pixels.dtype == torch.uint16:
        pixels = pixels.float() / 65535
    eight = pixels.clamp(0, 1).mul(255).round().byte().cpu()
    return Image.fromarray(eight.permute(1, 2, 0).numpy() if len(eight) == 3 else eight[0].numpy())


def _section(title: str, caption: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{f'<p>{caption}</p>' if caption else ''}{body}</section>" if body else ""


def frozen(found: Mapping[str, Any]) -> str:
    """What the weights that a run began with scored, and all that were tried in their place."""
    if not found:
        return ""
    names = [name for name in found["looks"][0] if name != "name"]
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in ("weights", *names))
    lines = []
    for look in found["looks"]:
        cells = "".join(f"<td>{look[name]:.3f}</td>" for name in names)
        who = escape(look["name"])
        lines.append(f"<tr><th>{f'<strong>{who}</strong>' if look['name'] == found['kept'] else who}</th>{cells}</tr>")
    caption = (
        f"Measured on {found['data']}, on which the weights were chosen; kept: {found['kept']}. Known is the share of "
        "what the first features told that can still be read from the new ones."
    )
    body = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    return _section("Beside the weights it began with", escape(caption), body)
