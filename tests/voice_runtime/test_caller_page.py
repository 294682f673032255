"""The caller's page over HTTP: its policy, its size, what it says of agents and of one that is not there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest
from fastapi import FastAPI

from voice_runtime.caller_page import FOLDER, About, caller_page_router

pytestmark = pytest.mark.anyio

#: Of all bytes a browser fetches to show the page, uncompressed; the issue's number.
BUDGET_BYTES = 100_000

CLINIC = About(
    agent="clinic",
    title="A clinic's front desk (fictional)",
    language="en-US",
    languages=("en-US", "es-US"),
    disclosure={"en-US": "I'm an AI assistant.", "es-US": "Soy un asistente de IA."},
    privacy={"en-US": "Kept for 90 days.", "es-US": "Se guarda 90 días."},
    environment="demo",
    offline_phrases=("when are you open",),
    not_a_language_model=True,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(caller_page_router({"clinic": CLINIC}.get))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://clinic.example") as found:
        yield found


class Markup(HTMLParser):
    """Addresses the HTML names, and what it holds that a strict policy forbids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.forbidden: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._script = tag in {"script", "style"}
        for name, value in attrs:
            if name in {"href", "src"} and value and not value.startswith("#"):
                self.addresses.append(value)
            if (
                name.startswith("on")
                or name in {"style", "srcdoc"}
                or (value or "").startswith("javascript:")
            ):
                self.forbidden.append(f"{tag} {name}")
        if tag in {"style", "base", "iframe", "object", "embed"}:
            self.forbidden.append(tag)

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.forbidden.append(data.strip()[:40])
            self._script = False

    def handle_endtag(self, tag: str) -> None:
        self._script = False


async def everything(client: httpx.AsyncClient) -> dict[str, bytes]:
    """All that a browser fetches for the page, by address: what HTML and style name, what modules import."""
    page = "/call/clinic"
    fetched: dict[str, bytes] = {}
    waiting = [page, f"{page}/about.json"]
    while waiting:
        address = waiting.pop()
        if address in fetched:
            continue
        response = await client.get(address)
        assert response.status_code == 200, address
        fetched[address] = response.content
        base = httpx.URL(f"http://clinic.example{address}")
        kind = response.headers["content-type"]
        named: list[str] = []
        if kind.startswith("text/html"):
            named = Markup(response.text).addresses
        elif kind.startswith("text/javascript"):
            named = re.findall(r"""(?m)^(?:import|export)\b[^"']*from\s+["']([^"']+)["']""", response.text)
        elif kind.startswith("text/css"):
            named = re.findall(r"url\(([^)]+)\)|@import", response.text)
        waiting += [base.join(name).path for name in named]
    return fetched


async def test_the_page_and_all_it_fetches_stay_within_the_budget(client):
    fetched = await everything(client)
    assert len(fetched) == 2 + len(list(FOLDER.iterdir())) - 2  # every file but the two pages is named
    assert sum(map(len, fetched.values())) < BUDGET_BYTES


async def test_the_page_names_no_address_but_its_own_files(client):
    for address, content in (await everything(client)).items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(?i)\b(https?|wss?|data|blob):", text), address
        assert not re.search(r"""["'(]//""", text), address


@pytest.mark.parametrize("address", ["/call/clinic", "/call/nobody"])
async def test_the_html_holds_no_script_style_or_event_of_its_own(client, address):
    markup = Markup((await client.get(address)).text)
    assert markup.addresses
    assert not markup.forbidden


def test_no_module_makes_markup_or_code_from_data():
    for path in FOLDER.glob("*.js"):
        forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bimport\("
        assert not re.search(forbidden, path.read_text()), path.name


@pytest.mark.parametrize(
    "address", ["/call/clinic", "/call/nobody", "/call/clinic/about.json", "/call/nobody/about.json", "file"]
)
async def test_every_answer_carries_the_strict_headers(client, address):
    if address == "file":
        address = next(a for a in await everything(client) if a.endswith("main.js"))
    headers = (await client.get(address)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert "*" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "microphone=(self)" in headers["permissions-policy"]
    assert "camera=()" in headers["permissions-policy"]


async def test_files_are_kept_for_ever_under_their_digest_and_the_page_is_asked_for_again(client):
    page = await client.get("/call/clinic")
    assert page.headers["cache-control"] == "no-cache"
    again = await client.get("/call/clinic", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    [style] = [a for a in Markup(page.text).addresses if a.endswith("style.css")]
    address = httpx.URL("http://clinic.example/call/clinic").join(style).path
    assert "immutable" in (await client.get(address)).headers["cache-control"]
    other = re.sub(r"/page/[0-9a-f]{16}/", "/page/0123456789abcdef/", address)
    assert (await client.get(other)).status_code == 404


async def test_only_the_pages_own_files_are_served(client):
    page = await client.get("/call/clinic")
    digest = page.headers["etag"].strip('"')
    for name in ("index.html", "..%2Fcaller_page.py", "%2e%2e/caller_page.py", "nothing.js", ""):
        assert (await client.get(f"/page/{digest}/{name}")).status_code == 404, name


async def test_about_says_what_the_page_shows(client):
    answer = await client.get("/call/clinic/about.json")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "agent": "clinic",
        "title": "A clinic's front desk (fictional)",
        "language": "en-US",
        "languages": ["en-US", "es-US"],
        "disclosure": {"en-US": "I'm an AI assistant.", "es-US": "Soy un asistente de IA."},
        "privacy": {"en-US": "Kept for 90 days.", "es-US": "Se guarda 90 días."},
        "environment": "demo",
        "offline_phrases": ["when are you open"],
        "not_a_language_model": True,
        "typed": True,
    }


def test_phrases_are_named_only_where_a_phrase_recogniser_serves():
    plain = About("clinic", "A clinic", "en-US", ("en-US",), {}, {}, "production")
    assert "offline_phrases" not in plain.wire()


async def test_an_unknown_agent_is_told_nothing_of_those_that_exist(client):
    page = await client.get("/call/nobody")
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "clinic" not in page.text.lower()
    assert "nobody at this address" in page.text
    about = await client.get("/call/nobody/about.json")
    assert (about.status_code, about.json()) == (404, {"error": "unknown_agent"})


@pytest.mark.parametrize("address", ["/call/clinic", "/call/clinic/about.json"])
async def test_the_page_is_only_ever_fetched(client, address):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, address)).status_code == 405, method
