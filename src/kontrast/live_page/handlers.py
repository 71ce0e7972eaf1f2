"""The addresses of the page beside Bokeh's own: pictures, questions, selections. All lie behind the guard of `server`.

What cannot be answered is refused as {"refused": a sentence} with status 400. Work is done in threads of `pool`, so the
map moves while somebody waits.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any
from urllib.parse import quote

from tornado.web import RequestHandler

from kontrast.errors import Unfit
from kontrast.live_page.answers import Answers, Told
from kontrast.report.map_page import JPEG

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Handler(RequestHandler):
    """What all have in common."""

    def initialize(self, answers: Answers, pool: Executor) -> None:
        self.answers, self.pool = answers, pool

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    async def worked(self, call: Callable[..., Any], *given: Any) -> Any:
        """What the call gives, from a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, call, *given)

    async def answer(self, call: Callable[..., Told], *given: Any) -> None:
        """Write what the call gives as JSON."""
        self.write(await self.worked(call, *given))

    def asked(self) -> dict[str, Any]:
        """The JSON object that was sent. Unfit where it is none."""
        try:
            found = json.loads(self.request.body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unfit("A JSON object was expected.")
        return found

    def write_error(self, status_code: int, **how: Any) -> None:
        """A sentence, never where the code failed."""
        problem = (how.get("exc_info") or (None, None))[1]
        refused = isinstance(problem, Unfit)
        self.set_status(400 if refused else status_code)
        self.finish({"refused": str(problem) if refused else f"That cannot be answered ({self._reason})."})

    def log_exception(self, kind: Any, problem: Any, trace: Any) -> None:
        """A refusal is an answer, nothing to log."""
        if not isinstance(problem, Unfit):
            super().log_exception(kind, problem, trace)


class Picture(Handler):
    """The thumbnail of a row."""

    async def get(self, row: str) -> None:
        content = await self.worked(self.answers.thumbnail, int(row))
        if not content:
            raise Unfit(f"Row {row} has no picture.")
        self.set_header("Content-Type", "image/jpeg" if content[:2] == JPEG else "image/png")
        self.set_header("Cache-Control", "private, max-age=600")
        self.write(content)


class Row(Handler):
    """A row, as the pointer passes over it."""

    async def get(self, row: str) -> None:
        await self.answer(lambda: {"one": self.answers.told([self.answers.known(int(row))])[0]})


class Near(Handler):
    """A row with its neighbours and positives."""

    async def get(self, row: str) -> None:
        await self.answer(self.answers.near, int(row))


class Ask(Handler):
    """Words."""

    async def post(self) -> None:
        await self.answer(self.answers.by_words, str(self.asked().get("words", "")))


class Drop(Handler):
    """A picture, as it is in its file."""

    async def post(self) -> None:
        await self.answer(self.answers.by_picture, self.request.body)


class Suspected(Handler):
    """Duplicates or outliers."""

    async def get(self, what: str) -> None:
        await self.answer({"duplicates": self.answers.duplicates, "outliers": self.answers.outliers}[what])


class Selection(Handler):
    """A selection: seen, kept from rows, renamed."""

    async def get(self) -> None:
        await self.answer(self.answers.selected, self.get_query_argument("name"), self.get_query_argument("colour", ""))

    def post(self) -> None:
        asked = self.asked()
        name = str(asked.get("name", ""))
        if "to" in asked:
            self.write({"name": self.answers.rename(name, str(asked["to"]))})
        else:
            self.write({"name": self.answers.keep(self.answers.several(asked.get("rows")), name)})


class Table(Handler):
    """A selection as CSV."""

    async def get(self) -> None:
        name = self.get_query_argument("name")
        self.answers.selection(name)
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "selection"
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header(
            "Content-Disposition", f"attachment; filename=\"{plain}.csv\"; filename*=UTF-8''{quote(name, safe='')}.csv"
        )
        text = io.StringIO()
        for number, line in enumerate(self.answers.lines(name)):
            csv.writer(text).writerow(line)
            if number % 5000 == 0:
                self.write(text.getvalue())
                text = io.StringIO()
                await self.flush()
        self.write(text.getvalue())


ROUTES = (
    (r"/picture/(\d{1,12})", Picture),
    (r"/row/(\d{1,12})", Row),
    (r"/near/(\d{1,12})", Near),
    (r"/ask", Ask),
    (r"/drop", Drop),
    (r"/suspected/(duplicates|outliers)", Suspected),
    (r"/selection", Selection),
    (r"/selection.csv", Table),
)
