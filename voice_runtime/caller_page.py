"""The caller's page, ``/call/{agent}``: its files under a strict policy, and what it says of an agent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

FOLDER = Path(__file__).parent / "page"
#: Stands in the two HTML files for the digest of all files, which is part of every file's address.
_PLACEHOLDER = b"DIGEST"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: Content Security Policy Level 3: everything is forbidden but this server's own files and addresses; no
#: script or style inside the page, no markup made from data (Trusted Types), no frame around it. Media
#: streams of a peer connection are set by ``srcObject`` and need no source here.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "permissions-policy": (
        "microphone=(self), speaker-selection=(self), screen-wake-lock=(self), autoplay=(self), "
        "camera=(), display-capture=(), geolocation=(), payment=(), usb=()"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
#: The page names its files by digest, so it is asked for each time and they never are again.
_ASK_AGAIN = {"cache-control": "no-cache"}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
_NEVER_KEPT = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of an agent before a call; ``GET /call/{agent}/about.json``.

    Languages are BCP 47 tags, such as en-US; ``language`` is the first. Texts are by language.
    """

    agent: str
    title: str
    language: str
    languages: tuple[str, ...]
    #: The words of the AI disclosure that the call begins with.
    disclosure: Mapping[str, str]
    #: The privacy notice: who is responsible, what is kept and how long.
    privacy: Mapping[str, str]
    #: demo, development, staging or production
    environment: str
    #: Every sentence the phrase recogniser understands; empty when another recogniser serves.
    offline_phrases: tuple[str, ...] = ()
    #: True when the rule-based stand-in answers.
    not_a_language_model: bool = False
    typed: bool = True

    def wire(self) -> dict[str, object]:
        """The JSON object; ``offline_phrases`` only where a phrase recogniser serves."""
        fields = asdict(self)
        if not self.offline_phrases:
            del fields["offline_phrases"]
        return fields


#: An agent's name as it stands in the address to what the page says of it; None when there is no such agent
#: or no browser may call it: the two look the same from outside.
AboutAgent = Callable[[str], About | None]


@dataclass(frozen=True, slots=True)
class _Files:
    """The page's files as they go out; the HTML names the others by ``digest`` (SHA-256, 16 hex digits)."""

    digest: str
    page: bytes
    nowhere: bytes
    #: Name to content, without the HTML.
    others: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> _Files:
        """Read a folder once. Its files belong to the package: one that is missing is our fault."""
        found = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
        whole = hashlib.sha256()
        for name, content in found.items():
            whole.update(f"{name}\0{len(content)}\0".encode() + content)
        digest = whole.hexdigest()[:16]
        page, nowhere = (
            found.pop(name).replace(_PLACEHOLDER, digest.encode()) for name in ("index.html", "nowhere.html")
        )
        return cls(digest, page, nowhere, found)


def caller_page_router(about: AboutAgent) -> APIRouter:
    """Return the page's routes; the browser door's other half (token, offer) is the WebRTC ingress.

    ``GET /call/{agent}`` the page · ``GET /call/{agent}/about.json`` what the agent is ·
    ``GET /page/{digest}/{name}`` its files. An unknown agent gets a 404 that names nothing that exists.
    """
    router = APIRouter()
    files = _Files.read(FOLDER)
    etag = f'"{files.digest}"'

    def html(content: bytes, status: int, **more: str) -> Response:
        headers = {**HEADERS, **_ASK_AGAIN, **more}
        return Response(content, status_code=status, headers=headers, media_type=_TYPES[".html"])

    @router.get("/call/{agent}")
    async def page(agent: str, request: Request) -> Response:
        if about(agent) is None:
            return html(files.nowhere, 404)
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={**HEADERS, **_ASK_AGAIN, "etag": etag})
        return html(files.page, 200, etag=etag)

    @router.get("/call/{agent}/about.json")
    async def about_agent(agent: str) -> JSONResponse:
        headers = {**HEADERS, **_NEVER_KEPT}
        found = about(agent)
        if found is None:
            return JSONResponse({"error": "unknown_agent"}, status_code=404, headers=headers)
        return JSONResponse(found.wire(), headers=headers)

    @router.get("/page/{digest}/{name}")
    async def file(digest: str, name: str) -> Response:
        content = files.others.get(name) if digest == files.digest else None
        if content is None:
            return Response(status_code=404, headers={**HEADERS, **_NEVER_KEPT})
        kind = _TYPES[Path(name).suffix]
        return Response(content, headers={**HEADERS, **_FOR_EVER}, media_type=kind)

    return router
