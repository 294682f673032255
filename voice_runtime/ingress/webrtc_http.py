"""The shapes of the browser door's requests and answers: closed models, bounded bodies, refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from aiortc import RTCIceServer
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import ClientDisconnect

from voice_runtime.ingress.webrtc_sdp import MOST_CANDIDATES

_MOST_BODY_BYTES = 64 * 1024

Short = Annotated[str, StringConstraints(max_length=100)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfferBody(Body):
    """``POST /webrtc/offer``."""

    sdp: Annotated[str, StringConstraints(max_length=_MOST_BODY_BYTES)]
    type: Literal["offer"]
    token: Annotated[str, StringConstraints(max_length=200)] | None = None
    pc_id: Short | None = None
    restart_pc: bool = False
    language: Annotated[str, StringConstraints(max_length=35)] | None = None


class CandidateBody(Body):
    candidate: Annotated[str, StringConstraints(max_length=500)]
    sdp_mid: Annotated[str, StringConstraints(max_length=40)] | None = None
    sdp_mline_index: Annotated[int, Field(ge=0, le=8)] | None = None


class CandidatesBody(Body):
    """``PATCH /webrtc/offer``."""

    pc_id: Short
    candidates: Annotated[tuple[CandidateBody, ...], Field(max_length=MOST_CANDIDATES)]


class Refused(Exception):
    """The request is answered with an error, and with nothing else."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, for this side and for pages (RFC 7064, RFC 7065)."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = ""

    def for_page(self) -> dict[str, Any]:
        """As ``RTCPeerConnection`` takes it in a browser."""
        more = {"username": self.username, "credential": self.credential} if self.username else {}
        return {"urls": list(self.urls), **more}

    def for_us(self) -> RTCIceServer:
        """As aiortc takes it."""
        return RTCIceServer(
            urls=list(self.urls), username=self.username or None, credential=self.credential or None
        )


B = TypeVar("B", bound=Body)


async def read_body(request: Request, kind: type[B]) -> B:
    """Read a bounded JSON body.

    Raises:
        Refused: not JSON, too big, or not of that shape (400 ``offer``).
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(400, "offer")
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BODY_BYTES:
                raise Refused(400, "offer")
        return kind.model_validate_json(bytes(body))
    except (ClientDisconnect, ValidationError):
        raise Refused(400, "offer") from None
