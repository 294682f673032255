"""A published log over HTTP: what is read, and what a hostile server cannot make the reader do."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.prover import Prover
from controls.ledger.tree import Tree, leaf_hash
from controls.ledger.url_tiles import UnreachableError, UrlTiles
from tests.controls.ledger.tile_folders import files_of, leaves

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """A web server on a free port whose answers can be changed mid-test."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.special: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.accepted: list[str | None] = []
        site = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/log/")
                site.asked.append(self.path)
                site.accepted.append(self.headers.get("Accept-Encoding"))
                found: Answer = (404, {}, b"")
                if path in site.files:
                    found = 200, {}, site.files[path]
                status, headers, body = site.special.get(path, found)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing to say."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/log"

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Site()
    yield made
    made.close()


def test_a_proof_over_http(site: Site) -> None:
    data = leaves(600)
    site.files = files_of(data)
    tree = Tree(map(leaf_hash, data))
    prover = Prover(UrlTiles(site.url + "/"), 600)
    assert prover.root() == tree.root() and prover.inclusion(300) == tree.inclusion(300, 600)
    assert site.asked[0].startswith("/log/tile/")
    assert UrlTiles(site.url).get("checkpoint") is None
    site.special["checkpoint"] = 410, {}, b""
    assert UrlTiles(site.url).get("checkpoint") is None


def test_gzip_is_undone_whether_or_not_it_was_asked_for(site: Site) -> None:
    note = b"a note " * 100
    site.special["checkpoint"] = 200, {"Content-Encoding": "gzip"}, gzip.compress(note)
    assert UrlTiles(site.url).get("checkpoint") == note
    assert site.accepted == ["gzip, identity"]  # tlog-tiles: clients SHOULD


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((200, {}, bytes(65_536)), IntegrityError),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10_000_000))), IntegrityError),
        ((200, {"Content-Encoding": "gzip"}, b"not gzip"), IntegrityError),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"note")[:-3]), IntegrityError),
        ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"note") + b"more"), IntegrityError),
        ((200, {"Content-Encoding": "br"}, b"note"), LedgerError),
        ((500, {}, b""), LedgerError),
        ((403, {}, b""), LedgerError),
    ],
)  # fmt: skip
def test_what_is_too_large_malformed_or_refused(site: Site, answer: Answer, error: type[Exception]) -> None:
    site.special["checkpoint"] = answer
    with pytest.raises(error, match="checkpoint"):
        UrlTiles(site.url).get("checkpoint")


def test_a_body_cut_off_is_not_taken_for_the_whole(site: Site) -> None:
    site.special["checkpoint"] = 200, {"Content-Length": "100"}, b"half"
    with pytest.raises(LedgerError, match="IncompleteRead"):
        UrlTiles(site.url).get("checkpoint")


REDIRECTS: dict[str, Callable[[Site, Path], str]] = {
    "another host": lambda site, _: f"http://localhost:{site.server.server_port}/log/cosigned",
    "another port": lambda site, _: "http://127.0.0.1:9/log/cosigned",
    "a file": lambda _, folder: (folder / "cosigned").as_uri(),
    "data": lambda _, __: "data:text/plain,note",
}


@pytest.mark.parametrize("kind", REDIRECTS)
def test_a_redirect_to_another_place_is_refused(site: Site, tmp_path: Path, kind: str) -> None:
    (tmp_path / "cosigned").write_text("a file of the reader's own")
    site.files["cosigned"] = b"elsewhere"
    site.special["checkpoint"] = 302, {"Location": REDIRECTS[kind](site, tmp_path)}, b""
    with pytest.raises(LedgerError):
        UrlTiles(site.url).get("checkpoint")
    assert len(site.asked) == 1


def test_a_redirect_on_the_same_host_is_followed_but_not_for_ever(site: Site) -> None:
    site.special["checkpoint"] = 302, {"Location": "/log/cosigned"}, b""
    site.files["cosigned"] = b"a note"
    assert UrlTiles(site.url).get("checkpoint") == b"a note"
    site.special["cosigned"] = 302, {"Location": "/log/checkpoint"}, b""
    with pytest.raises(LedgerError):
        UrlTiles(site.url).get("checkpoint")
    assert len(site.asked) < 20


@pytest.mark.parametrize("url", ["file:///tmp", "ftp://x/y", "x", "", "http://", "http://me:secret@host/log"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(OperatorError):
        UrlTiles(url)


def test_a_name_that_is_no_published_file_is_never_asked_for(site: Site) -> None:
    for path in ("../keys", "log.db", "tile/0/000?x=1"):
        with pytest.raises(IntegrityError):
            UrlTiles(site.url).get(path)
    assert site.asked == []


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/log"
    with pytest.raises(UnreachableError, match="cannot be read: connection refused") as raised:
        UrlTiles(url).get("checkpoint")
    assert raised.value.why == "connection refused"


def test_a_deadline_ends_a_body_that_drips(site: Site) -> None:
    site.files["tile/entries/000"] = bytes(200_000)
    with pytest.raises(LedgerError, match="TimeoutError"):
        UrlTiles(site.url, deadline_s=-1.0).get("tile/entries/000")
