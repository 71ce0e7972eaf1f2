"""Who is let in: by the token alone, on loopback, from no other page; and what is refused in a sentence."""

import http.client
import io
import json
import zlib
from types import SimpleNamespace

import pytest
from PIL import Image
from tests.browser import serving
from tests.live_page.test_answers import Model
from tests.vector_index.conftest import index_of, made_up
from tornado.httputil import HTTPHeaders

from kontrast.errors import Unfit
from kontrast.live_page import server
from kontrast.live_page.answers import Answers
from kontrast.live_page.document import Explored
from kontrast.live_page.points import Points
from kontrast.live_page.server import Guard


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    vectors, place = made_up(width=3)
    index = index_of(tmp_path_factory.mktemp("served") / "i", vectors, labels=place)
    explored = Explored(Answers(index, Points(vectors[:, :2].copy()), Model()), "<b>A & B</b>", "{{ 7 * 7 }}", "label")
    with serving(explored) as served:
        yield served


def asked(page, path, method="GET", body=None, token=None, **headers):
    """(status, headers, body) of a request, as it is written."""
    link = http.client.HTTPConnection("127.0.0.1", page.port, timeout=30)
    try:
        link.request(method, f"/{page.token if token is None else token}{path}", body, headers)
        reply = link.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        link.close()


PATHS = (
    "/",
    "/ws",
    "/static/js/bokeh.min.js",
    "/row/0",
    "/near/0",
    "/picture/0",
    "/selection.csv?name=x",
    "/autoload.js",
)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_there_without_the_token(page, path):
    for token in ("", "x", page.token[:-1], page.token + "x", "%C3%A9"):
        status, _, body = asked(page, path, token=token)
        assert status == 403 and b"whole address" in body
    assert asked(page, path)[0] != 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
    ],
)
def test_another_page_is_refused_even_with_the_token(page, headers):
    for path in PATHS:
        assert asked(page, path, **headers)[0] == 403
    assert asked(page, "/drop", "POST", b"x", **headers)[0] == 403
    assert asked(page, "/row/0", Origin=f"http://127.0.0.1:{page.port}")[0] == 200


def test_the_guard_wants_exactly_one_host():
    request = SimpleNamespace(path="/secret/", headers=HTTPHeaders({"Host": "127.0.0.1:5"}))
    assert Guard("secret", 5).match(request) == {}
    request.headers.add("Host", "evil.example")
    assert Guard("secret", 5).match(request) is None


def test_only_loopback_listens_and_a_taken_port_is_told(page):
    assert page.address.startswith("http://127.0.0.1:") and len(page.token) >= 32
    with pytest.raises(Unfit, match=f"--port {page.port}: "):
        server.Served(None, page.port)


def test_other_peoples_words_are_text_in_the_page(page):
    body = asked(page, "/")[2].decode()
    assert (
        "&lt;b&gt;A &amp; B" in body and "<b>A" not in body and "{{ 7 * 7 }}" in body and "default-src 'none'" in body
    )


def test_questions_are_answered_as_json(page):
    status, headers, body = asked(page, "/ask", "POST", json.dumps({"words": "of many"}))
    assert status == 200 and headers["Cache-Control"] == "no-store" and len(json.loads(body)["lists"][0]["rows"]) == 20
    for path, method, sent, told in (
        ("/near/99999", "GET", None, "no row 99,999"),
        ("/ask", "POST", "[1]", "JSON object"),
        ("/ask", "POST", "{", "JSON object"),
        ("/selection?name=gone", "GET", None, "no selection"),
        ("/selection", "POST", '{"rows": [1, "2"]}', "list of rows"),
    ):
        status, _, body = asked(page, path, method, sent)
        assert status == 400 and told in json.loads(body)["refused"]
    assert asked(page, "/suspected/everything")[0] == 404 and asked(page, "/../../etc/passwd")[0] in (403, 404)


def test_a_bomb_and_what_is_too_large_are_refused(page):
    file = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(file, "PNG")
    assert len(file.getvalue()) < 1 << 20
    status, _, body = asked(page, "/drop", "POST", file.getvalue())
    assert status == 400 and "decompression bomb" in json.loads(body)["refused"]
    with pytest.raises((ConnectionError, http.client.HTTPException, TimeoutError, AssertionError)):
        assert asked(page, "/drop", "POST", bytes(server.UPLOAD + 1))[0] == 200
    packed = zlib.compress(bytes(1 << 20))
    assert asked(page, "/drop", "POST", packed, **{"Content-Encoding": "deflate"})[0] == 400


def test_a_selection_is_saved_under_its_name(page):
    asked(page, "/selection", "POST", json.dumps({"rows": [3, 1], "name": 'best / of "all"\r\n x'}))
    status, headers, body = asked(page, "/selection.csv?name=best%20/%20of%20%22all%22%0D%0A%20x")
    assert status == 200 and 'filename="best_of_all_x.csv"' in headers["Content-Disposition"]
    assert len(body.decode().splitlines()) == 3
