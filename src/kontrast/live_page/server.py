"""The live page as a Bokeh server: on loopback alone, behind a random token, for nobody else's page.

The token is the first part of every address: the page, its socket, pictures and uploads. `Guard` looks at each request
before anything else does.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from jinja2 import Environment, Template
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.routing import AnyMatches, Matcher, Rule, RuleRouter
from tornado.web import Application as Plain

from kontrast.errors import Unfit
from kontrast.live_page.document import Explored, Session
from kontrast.live_page.handlers import ROUTES, Handler
from kontrast.report.map_page import as_json, part

LOOPBACK = "127.0.0.1"
UPLOAD = 32 << 20  # bytes of a picture that may be dropped
MESSAGE = 4 << 20  # bytes of a message of the socket
WORKERS = 4


class Guard(Matcher):
    """Lets through what knows the token, was sent to this machine by its own name, and by no other page."""

    def __init__(self, token: str, port: int) -> None:
        self.token = token
        self.hosts = {f"{LOOPBACK}:{port}", f"localhost:{port}"}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """{} for yes, None for no, as routers have it."""
        given = request.path.split("/")[1:2]
        known = hmac.compare_digest(given[0].encode() if given else b"", self.token.encode())
        hosts = request.headers.get_list("Host")
        origins = request.headers.get_list("Origin")
        here = len(hosts) == 1 and hosts[0] in self.hosts
        own = all(origin == f"http://{hosts[0]}" for origin in origins) if hosts else False
        return {} if known and here and own else None


class Refused(Handler):
    """What everybody else is told."""

    def initialize(self) -> None:  # type: ignore[override]
        pass

    def prepare(self) -> None:
        self.set_status(403)
        self.finish({"refused": "This page is opened by its whole address, on this machine, and by no other page."})


def _unlogged(_: Any) -> None:
    """Addresses hold the token: none is written down."""


class Served:
    """A server that listens."""

    def __init__(self, explored: Explored, port: int = 0) -> None:
        """Listen on this port of loopback, 0: any that is free. Unfit where it is taken. A loop must run."""
        try:
            listening = socket.create_server((LOOPBACK, port))
        except OSError as problem:
            told = problem.strerror or str(problem)
            raise Unfit(f"--port {port}: {told}; leave it out to take any that is free.") from None
        listening.setblocking(False)
        self.port, self.token = listening.getsockname()[1], secrets.token_urlsafe(24)
        self.pool = ThreadPoolExecutor(WORKERS)
        routes = [(where, handler, {"answers": explored.answers, "pool": self.pool}) for where, handler in ROUTES]
        guard = Guard(self.token, self.port)
        page = _page()
        inner = BokehTornado(
            {"/": Application(FunctionHandler(lambda document: _session(explored, document, page)))},
            prefix=self.token,
            extra_patterns=list(routes),
            extra_websocket_origins=sorted(guard.hosts),
            use_index=False,
            ico_path="none",
            websocket_max_message_size_bytes=MESSAGE,
            log_function=_unlogged,
        )
        outer = RuleRouter([Rule(guard, inner), Rule(AnyMatches(), Plain([(r".*", Refused)], log_function=_unlogged))])
        http = HTTPServer(outer, max_body_size=UPLOAD, max_buffer_size=UPLOAD + (1 << 20))
        http.add_socket(listening)
        self.server = BaseServer(IOLoop.current(), inner, http)
        self.server.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.port}/{self.token}/"

    def close(self) -> None:
        """Stop listening."""
        self.server.stop()
        self.pool.shutdown(wait=False, cancel_futures=True)


def serve(explored: Explored, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is given the address once the page is there."""

    async def forever() -> None:
        served = Served(explored, port)
        try:
            ready(served.address)
            await asyncio.Event().wait()
        finally:
            served.close()

    asyncio.run(forever())


def _page() -> Template:
    """The frame, which escapes whatever is put into it."""
    text = resources.files("kontrast.live_page").joinpath("page.html").read_text("utf-8")
    return Environment(autoescape=True).from_string(text)


def _session(explored: Explored, document: Any, page: Template) -> None:
    """Fill the document of a page that is being opened."""
    Session(explored, document)
    answers = explored.answers
    content = {
        "colours": list(answers.classes),
        "colour": explored.colour,
        "words": answers.reads_words,
        "pictures": answers.reads_pictures,
        "thumbnails": bool(answers.index.meta.thumbnail),
        "upload": UPLOAD,
        "selections": list(answers.selections),
    }
    document.template = page
    document.template_variables.update(
        told=explored.told,
        style=part("map.css"),
        parts=part("map.js"),
        own=resources.files("kontrast.live_page").joinpath("page.js").read_text("utf-8"),
        content=as_json(content),
    )
