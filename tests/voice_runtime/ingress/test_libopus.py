"""libopus by its own interface: what it refuses is an error of ours, damage is the supplier's."""

from __future__ import annotations

import pytest

from controls.errors import InternalError, OperatorError, ProviderError
from voice_runtime.ingress import libopus


def encoder() -> libopus.Encoder:
    return libopus.Encoder(8000, libopus.APPLICATION_VOIP, {libopus.SET_BITRATE: 24_000})


def test_20_ms_there_and_back() -> None:
    packet = encoder().encode(bytes(320))
    assert len(libopus.Decoder(8000, 960).decode(packet)) == 320
    assert len(libopus.Decoder(48_000, 5760).decode(packet)) == 1920


def test_a_loss_is_made_up_in_the_length_asked_for() -> None:
    decoder = libopus.Decoder(8000, 960)
    decoder.decode(encoder().encode(bytes(range(160)) * 2))
    assert len(decoder.conceal(160)) == 320
    assert len(decoder.conceal(20)) == 40


def test_what_libopus_does_not_do_is_refused() -> None:
    with pytest.raises(InternalError):
        libopus.Encoder(11_025, libopus.APPLICATION_VOIP, {})
    with pytest.raises(InternalError):
        libopus.Encoder(8000, libopus.APPLICATION_VOIP, {libopus.SET_COMPLEXITY: 11})
    with pytest.raises(InternalError):
        encoder().encode(bytes(300))
    with pytest.raises(InternalError):
        libopus.Decoder(8000, 960).conceal(7)
    with pytest.raises(InternalError, match="960 samples to make up"):  # it wrote past its buffer
        libopus.Decoder(8000, 160).conceal(960)


def test_damage_is_the_suppliers() -> None:
    with pytest.raises(ProviderError) as caught:
        libopus.Decoder(8000, 960).decode(bytes([31 << 3 | 3, 63]) + bytes(3))
    assert caught.value.supplier == "libopus"


def test_without_the_library_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libopus.av, "__file__", "/nowhere/av/__init__.py")
    monkeypatch.setattr(libopus, "find_library", lambda name: None)
    with pytest.raises(OperatorError, match="libopus0"):
        libopus.library.__wrapped__()
