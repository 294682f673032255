"""A witness's requests: the specification's examples, a public cosignature, and garbage."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.ledger.notes import (
    COSIGNER,
    VerifierKey,
    cosigned_at,
    cosigned_message,
    parse_checkpoint,
    parse_note,
    signed_note,
    verify_checkpoint,
    with_signatures,
)
from controls.ledger.tree import Tree
from controls.ledger.witness import MAX_BODY, MAX_TEXT, Refused, Witness, parse_request
from tests.simulators.witness import LOG, Bench, GrowingLog, MemoryState, bench, private

# C2SP tlog-witness, "Example request body"; its log's signature is made of other bytes on purpose.
EXAMPLE = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501 - the specification's own lines

# C2SP tlog-cosignature, the example under "Format" and its signed message.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
""".encode()  # noqa: E501 - the specification's own lines
MESSAGE = b"""cosignature/v1
time 1679315147
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""

# A checkpoint of a public test log, cosigned by a public witness in May 2026; keys as both publish them.
PUBLIC = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
""".encode()  # noqa: E501 - as published
PUBLIC_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
PUBLIC_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"


# --- the specification's own examples ----------------------------------------------------------------


def test_the_example_request_is_read() -> None:
    request = parse_request(EXAMPLE)
    assert (request.old, request.checkpoint.size, len(request.proof)) == (20_852_014, 20_852_163, 4)
    assert request.proof[0] == base64.b64decode("PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=")
    assert request.checkpoint.origin == "example.com/behind-the-sofa"
    assert len(request.signatures) == 2


def test_the_example_cosignature_has_the_form_we_make() -> None:
    text, signatures = parse_note(COSIGNED)
    assert cosigned_message(text, 1_679_315_147) == MESSAGE
    spec = signatures[1]
    assert (spec.name, spec.key_hash.hex(), len(spec.signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert struct.unpack(">Q", spec.signature[:8]) == (1_679_315_147,)
    ours = MemoryState("witness.example.com/w1").key
    _, (made,) = parse_note(signed_note(text, [ours.cosign(text, 1_679_315_147)]))
    assert (made.name, made.signature[:8], len(made.signature)) == (spec.name, spec.signature[:8], 72)
    private("witness.example.com/w1").public_key().verify(made.signature[8:], MESSAGE)


def test_a_cosignature_of_a_public_witness_holds() -> None:
    checkpoint = parse_checkpoint(PUBLIC)
    witness, log = VerifierKey.parse(PUBLIC_WITNESS), VerifierKey.parse(PUBLIC_LOG)
    assert witness.kind == COSIGNER
    assert cosigned_at(checkpoint, witness) == 0x6A122120
    verify_checkpoint(checkpoint, log)


def test_a_public_logs_checkpoint_is_cosigned_although_it_has_lines_of_keys_we_do_not_know() -> None:
    state = MemoryState()
    witness = Witness(state, lambda _: [VerifierKey.parse(PUBLIC_LOG)], unix_s=lambda: 1.9e9)
    line = witness.add_checkpoint(b"old 0\n\n" + PUBLIC)
    assert cosigned_at(with_signatures(parse_checkpoint(PUBLIC), line), witness.verifier) == 1_900_000_000
    # What is kept has the signature we verified and ours, nothing that a stranger could add.
    (kept,) = state.stored.values()
    _, lines = parse_note(kept.checkpoint.note)
    assert [x.key_hash.hex() for x in lines] == ["ba2f06c0", witness.verifier.hash.hex()]


# --- 400 --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b"",
        lambda b: b.replace(b"old 0", b"old 00", 1),
        lambda b: b.replace(b"old 0", b"old -1", 1),
        lambda b: b.replace(b"old 0", b"old  0", 1),
        lambda b: b.replace(b"old 0", b"old 0\r", 1),
        lambda b: b.replace(b"old 0", b"Old 0", 1),
        lambda b: b.replace(b"old 0", b"old " + b"9" * 19, 1),
        lambda b: b.replace(b"old 0", "old ٤".encode(), 1),
        lambda b: b"\n" + b,
        lambda b: b[:-1],
        lambda b: b + b"\n",
        lambda b: b.replace(b"\n\n", b"\n", 1),
        lambda b: b.replace(b"old 0\n", b"old 0\nnot a hash\n", 1),
        lambda b: b.replace(b"old 0\n", b"old 0\n" + b"A" * 42 + b"B=\n", 1),  # not canonical
        lambda b: b.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64, 1),
        lambda b: b.replace(b"\n3\n", b"\n03\n", 1),
        lambda b: b.replace(b"\n3\n", b"\n9223372036854775808\n", 1),
        lambda b: b.replace(b"\n3\n", b"\n3\n\n", 1),
        lambda b: b.replace("—".encode(), b"-", 1),
        lambda b: b.rpartition(b"\n\n")[0] + b"\n\n",
        lambda b: b + b"\x00",
        lambda b: b"old 0\n\n" + b"x" * MAX_BODY,
        lambda b: b.replace(b"\n\xe2", b"\n" + b"x" * MAX_TEXT + b"\n\n\xe2", 1),
    ],
)  # fmt: skip
def test_a_request_that_is_not_in_its_one_form_is_a_400(change) -> None:
    log = GrowingLog(3)
    made = Bench(log)
    body = log.request(0)
    assert made.witness.add_checkpoint(body)
    assert made.refusal(change(body)).status == 400


# --- properties --------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.data())
def test_no_bytes_bring_the_parser_to_anything_but_a_refusal(noise: bytes, data: st.DataObject) -> None:
    log = GrowingLog(9)
    body = log.request(4)
    start = data.draw(st.integers(0, len(body)))
    stop = data.draw(st.integers(start, min(len(body), start + 40)))
    for hostile in (noise, body[:start] + noise + body[stop:], body[:start] + body[stop:], EXAMPLE + noise):
        status, request = 0, None
        try:
            request = parse_request(hostile)
        except Refused as refused:
            status = refused.status
        assert status == (0 if request else 400)
        if request:  # what is accepted says the same when it is written again
            lines = [b"old %d" % request.old, *(base64.b64encode(p) for p in request.proof)]
            assert b"\n".join(lines) + b"\n\n" + request.checkpoint.note == hostile


@given(st.data())
def test_any_changed_request_is_refused_or_means_the_same(data: st.DataObject) -> None:
    made, log = bench(7)
    log.grow(6)
    body = bytearray(log.request(7))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    status = 200
    try:
        made.witness.add_checkpoint(bytes(body))
    except Refused as refused:
        status = refused.status
    assert status in (200, 400, 403, 404, 409, 422)
    assert made.state.stored[LOG].checkpoint.root in (Tree(log.leaves).root(7), Tree(log.leaves).root())
