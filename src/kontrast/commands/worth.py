"""`kontrast worth`: is it worth adapting a trained encoder to these pictures?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(result: Mapping[str, Any]) -> list[str]:
    """The answer of `kontrast.worth` as a table and a sentence."""

    def span(found: Mapping[str, Any]) -> str:
        low, high = found["range"]
        return f"{100 * low:+.1f} to {100 * high:+.1f}"

    low, high = (100 * edge for edge in result["frozen"]["range"])
    table = [
        f"test: {result['test']}; {result['items']:,} items, guessing {100 * result['chance']:.1f} %",
        f"{'way':<10}{'score':>8}  {'difference':<12}{'95 % range':<18}{'known':>6}{'weights':>14}{'seconds':>9}",
        f"{'frozen':<10}{100 * result['frozen']['score']:>7.1f}   {'':<12}{f'({low:.1f} to {high:.1f})':<18}",
    ]
    for way, found in result["ways"].items():
        table.append(
            f"{way:<10}{100 * found['score']:>7.1f}   {100 * found['difference']:<+12.1f}{span(found):<18}"
            f"{found['known']:>6.2f}{found['moves']:>14,}{found['seconds']:>9.0f}"
        )
    for part in result["curve"]:
        table.append(
            f"{result['best']} on {part['samples']:,} pictures: {100 * part['difference']:+.1f} ({span(part)})"
        )
    return [*table, result["answer"]]
