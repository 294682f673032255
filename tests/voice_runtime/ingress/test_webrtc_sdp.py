"""What may stand in an offer: audio and data, Opus, bounded; the rest is refused without a word of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.ingress.webrtc_sdp import (
    MOST_CANDIDATES,
    MOST_CHARACTERS,
    BadOffer,
    check_offer,
    parse_candidate,
)

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
HOST = "1 1 udp 2130706431 192.0.2.7 50000 typ host generation 0"
#: The shape of Chromium's offers; addresses from RFC 5737.
OFFER = [
    "v=0",
    "o=- 46117317 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0 1",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
    "c=IN IP4 0.0.0.0",
    f"a=candidate:{HOST}",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    FINGERPRINT,
    "a=setup:actpass",
    "a=mid:0",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:0 PCMU/8000",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuvwx",
    FINGERPRINT,
    "a=setup:actpass",
    "a=mid:1",
    "a=sctp-port:5000",
]


def sdp(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n"


def changed(old: str, *new: str, everywhere: bool = False) -> str:
    """The offer with a line replaced, in one place or in all."""
    lines: list[str] = []
    done = False
    for line in OFFER:
        if line == old and (everywhere or not done):
            lines += new
            done = True
        else:
            lines.append(line)
    assert done
    return sdp(lines)


def test_a_browsers_offer_is_taken() -> None:
    offer = check_offer(sdp(OFFER))
    assert (offer.ufrag, offer.password, offer.sends_audio) == ("abcd", "abcdefghijklmnopqrstuvwx", True)
    assert offer.sdp == sdp(OFFER)


def test_bare_line_feeds_are_taken_too() -> None:
    assert check_offer("\n".join(OFFER)).sdp == sdp(OFFER)


def test_a_caller_without_microphone_says_so() -> None:
    assert not check_offer(changed("a=sendrecv", "a=recvonly")).sends_audio


BAD: dict[str, tuple[str, str]] = {
    "empty": ("", "syntax"),
    "not-sdp": ("hello", "syntax"),
    "huge": (sdp(OFFER) + "a=x\r\n" * 10_000, "size"),
    "a-long-line": (changed("s=-", "s=" + "x" * 2000), "size"),
    "many-lines": (sdp(OFFER + ["a=x"] * 700), "size"),
    "not-ascii": (changed("s=-", "s=é"), "size"),
    "stray-return": (changed("s=-", "s=a\rb"), "syntax"),
    "video": (sdp([*OFFER, "m=video 9 UDP/TLS/RTP/SAVPF 96"]), "media"),
    "rejected-video": (sdp([*OFFER, "m=video 0 UDP/TLS/RTP/SAVPF 96"]), "media"),
    "two-audio": (sdp([*OFFER, "m=audio 9 UDP/TLS/RTP/SAVPF 111"]), "media"),
    "two-data": (sdp([*OFFER, OFFER[18]]), "media"),
    "data-only": (sdp(OFFER[:5] + OFFER[18:]), "media"),
    "no-opus": (changed("a=rtpmap:111 opus/48000/2", "a=rtpmap:111 G722/8000"), "codec"),
    "no-fingerprint": (changed(FINGERPRINT, everywhere=True), "fingerprint"),
    "weak-fingerprint": (
        changed(FINGERPRINT, "a=fingerprint:sha-1 " + ":".join(["AB"] * 20), everywhere=True),
        "fingerprint",
    ),
    "no-ice": (changed("a=ice-ufrag:abcd", everywhere=True), "ice"),
    "two-transports": (changed("a=ice-ufrag:abcd", "a=ice-ufrag:efgh"), "ice"),
    "short-password": (
        changed("a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=ice-pwd:short", everywhere=True),
        "ice",
    ),
    "candidate-injected": (changed(f"a=candidate:{HOST}", "a=candidate:$(reboot)"), "candidate"),
    "candidate-flood": (
        changed(
            f"a=candidate:{HOST}",
            *(f"a=candidate:{HOST.replace('50000', str(50000 + i))}" for i in range(MOST_CANDIDATES + 1)),
        ),
        "candidates",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_other_offers_are_refused_in_a_word(name: str) -> None:
    text, word = BAD[name]
    with pytest.raises(BadOffer) as caught:
        check_offer(text)
    assert str(caught.value) == word


def test_addresses_that_are_names_and_tcp_are_left_out() -> None:
    name = "2 1 udp 2113937151 0f7a3d4e-91c2-4b8e.local 50001 typ host"
    tcp = "3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active"
    offer = check_offer(
        changed(f"a=candidate:{HOST}", f"a=candidate:{name}", f"a=candidate:{tcp}", f"a=candidate:{HOST}")
    )
    assert offer.sdp == sdp(OFFER)


@given(st.text(max_size=400))
def test_hostile_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    with pytest.raises(BadOffer):
        check_offer(text)


@given(st.integers(0, len(OFFER) - 1), st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_a_damaged_line_is_taken_or_refused(at: int, line: str) -> None:
    lines = list(OFFER)
    lines[at] = line
    try:
        offer = check_offer(sdp(lines))
    except BadOffer:
        return
    assert len(offer.sdp) <= MOST_CHARACTERS
    assert offer.sdp.count("m=audio") == 1 + line.count("m=audio") * (at != 5)


def test_a_trickled_candidate_is_parsed() -> None:
    found = parse_candidate("candidate:" + HOST, "0", 0)
    assert found is not None
    assert (found.ip, found.port, found.type, found.sdpMid, found.sdpMLineIndex) == (
        "192.0.2.7", 50000, "host", "0", 0,
    )  # fmt: skip
    assert parse_candidate("", "0", 0) is None  # the end of candidates (RFC 8840)
    assert parse_candidate("candidate:2 1 udp 1 x.local 5 typ host", "0", 0) is None


@pytest.mark.parametrize(
    ("text", "mid", "index"),
    [
        ("candidate:" + HOST, None, None),
        ("garbage", "0", 0),
        ("candidate:1 3 udp 1 192.0.2.7 5 typ host", "0", 0),
        ("candidate:1 1 udp 1 192.0.2.7 5 typ other", "0", 0),
        ("candidate:1 1 udp 1 " + "a" * 500 + " 5 typ host", "0", 0),
    ],
)
def test_a_bad_candidate_is_refused(text: str, mid: str | None, index: int | None) -> None:
    with pytest.raises(BadOffer):
        parse_candidate(text, mid, index)
