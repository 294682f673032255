"""What a caller's offer may hold: one audio section, one data section, a few candidates; nothing else.

Pure. The offer is text from a stranger: it is bounded and looked at before
aiortc parses it. Refusals are short words without content, as an SDP names the
caller's addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

MOST_CHARACTERS = 32_000
_MOST_LINES = 600
_LONGEST_LINE = 1000
#: ICE candidates of one offer; each costs connectivity checks.
MOST_CANDIDATES = 40
_LONGEST_CANDIDATE = 400

_UFRAG = re.compile(r"^a=ice-ufrag:([A-Za-z0-9+/]{4,256})$")
_PASSWORD = re.compile(r"^a=ice-pwd:([A-Za-z0-9+/]{22,256})$")
_OPUS = re.compile(r"^a=rtpmap:\d{1,3} opus/48000/2$", re.IGNORECASE)
_FINGERPRINT = re.compile(r"^a=fingerprint:(sha-256|sha-384|sha-512) [0-9A-Fa-f:]{95,191}$", re.IGNORECASE)
_CANDIDATE = re.compile(
    r"^(?:candidate:)?(?P<foundation>[A-Za-z0-9+/]{1,32}) (?P<component>[12]) (?P<transport>udp|tcp) "
    r"(?P<priority>\d{1,10}) (?P<host>[A-Za-z0-9.:-]{1,255}) (?P<port>\d{1,5}) typ (?:host|srflx|prflx|relay)"
    r"(?: [A-Za-z0-9.:+/_<>-]{1,255}){0,20}$",
    re.IGNORECASE,
)


class BadOffer(Exception):
    """The offer, or a candidate, is none of ours; the message is a short word for logs, without content."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that may be handed to aiortc.

    Attributes:
        sdp: without candidates that are of no use to us.
        ufrag, password: the caller's ICE credentials (RFC 8839, 5.4); others than before ask for an
            ICE restart.
        sends_audio: a microphone, or its replacement, will send.
    """

    sdp: str
    ufrag: str
    password: str
    sends_audio: bool


def check_offer(sdp: str) -> Offer:
    """Look at an offer.

    Raises:
        BadOffer: too big, another kind of media, no Opus, no DTLS fingerprint, no ICE credentials.
    """
    if len(sdp) > MOST_CHARACTERS or not sdp.isascii():
        raise BadOffer("size")
    lines = sdp.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > _MOST_LINES or any(len(line) > _LONGEST_LINE for line in lines):
        raise BadOffer("size")
    if lines[0] != "v=0" or any("\r" in line or "\0" in line for line in lines):
        raise BadOffer("syntax")
    media = [line for line in lines if line.startswith("m=")]
    kinds = [line[2:].split(" ")[0] for line in media]
    if sorted(kinds) not in (["application", "audio"], ["audio"]):
        raise BadOffer("media")
    if not any(_OPUS.match(line) for line in lines):
        raise BadOffer("codec")
    if not any(_FINGERPRINT.match(line) for line in lines):
        raise BadOffer("fingerprint")
    ufrags = {m[1] for line in lines if (m := _UFRAG.match(line))}
    passwords = {m[1] for line in lines if (m := _PASSWORD.match(line))}
    if len(ufrags) != 1 or len(passwords) != 1:  # one transport: everything is bundled
        raise BadOffer("ice")
    audio = _section(lines, "audio")
    sends = not any(line in ("a=recvonly", "a=inactive") for line in audio)
    return Offer("\r\n".join(_useful(lines)) + "\r\n", ufrags.pop(), passwords.pop(), sends)


def parse_candidate(text: str, sdp_mid: str | None, sdp_mline_index: int | None) -> RTCIceCandidate | None:
    """A trickled candidate; None for the end of candidates and for one of no use to us.

    Raises:
        BadOffer: it is none, or says not which section it belongs to.
    """
    if not text.strip():
        return None
    if not _is_candidate(text):
        raise BadOffer("candidate")
    if not _is_useful(text):
        return None
    if sdp_mid is None and sdp_mline_index is None:
        raise BadOffer("candidate")
    try:
        candidate = candidate_from_sdp(text.removeprefix("candidate:"))
    except (ValueError, AssertionError, IndexError):
        raise BadOffer("candidate") from None
    candidate.sdpMid, candidate.sdpMLineIndex = sdp_mid, sdp_mline_index
    return candidate


def _section(lines: list[str], kind: str) -> list[str]:
    start = next(i for i, line in enumerate(lines) if line.startswith(f"m={kind} "))
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("m=")), len(lines))
    return lines[start:end]


def _useful(lines: list[str]) -> list[str]:
    kept, candidates = [], 0
    for line in lines:
        if line.startswith("a=candidate:"):
            text = line.removeprefix("a=candidate:")
            if not _is_candidate(text):
                raise BadOffer("candidate")
            if not _is_useful(text):
                continue
            candidates += 1
            if candidates > MOST_CANDIDATES:
                raise BadOffer("candidates")
        kept.append(line)
    return kept


def _is_candidate(text: str) -> bool:
    return len(text) <= _LONGEST_CANDIDATE and _CANDIDATE.match(text) is not None


def _is_useful(text: str) -> bool:
    """UDP at an address. A browser hides its address behind a multicast name (``….local``) until it may use
    the microphone; we do not ask the network for names, the browser's own checks reach us all the same.
    """
    found = _CANDIDATE.match(text)
    assert found is not None
    return found["transport"].lower() == "udp" and not found["host"].lower().endswith(".local")
