"""Leaves hold no personal data: no record type has room for free words, and every name in one was decided on.

Three walks over the JSON schema of every type. The first refuses anything that
could hold free words. The second compares every string that is neither an
enumeration nor an id, a key, a digest or an HMAC with ``DECIDED``: field by
field, with the reason why it reveals nothing about a caller. A new field, a new
type and a field that is gone all fail until somebody decides. The third looks
at whole numbers: one with room for a telephone number could carry one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.ledger import records as r
from controls.ledger.records import RECORDS

Schema = dict[str, Any]


def leaves(schema: Schema, node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every place under ``node`` that holds a single value, as (path, its schema)."""
    if not isinstance(node, dict):
        yield path, node
        return
    if "$ref" in node:
        yield from leaves(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]], path)
        return
    for key in ("anyOf", "allOf", "oneOf"):
        if key in node:
            for option in node[key]:
                yield from leaves(schema, option, path)
            return
    match node.get("type"):
        case "array":
            items = [*node.get("prefixItems", []), *([node["items"]] if "items" in node else [])]
            if not items:
                yield path, node
            for item in items:
                yield from leaves(schema, item, path + "[]")
        case "object":
            if node.get("additionalProperties") is not False:
                yield path, node
            for name, child in node.get("properties", {}).items():
                yield from leaves(schema, child, f"{path}.{name}")
        case _:
            yield path, node


def closed(node: Any) -> bool:
    """Whether a single value can only be one of a few, or has a pattern, or is a whole number."""
    if not isinstance(node, dict):
        return False
    if "const" in node or "enum" in node or node.get("type") in ("integer", "boolean", "null"):
        return True
    return node.get("type") == "string" and "pattern" in node  # not: fractions, or anything at all


def free(schema: Schema, name: str) -> list[str]:
    """Paths at which anything could be written."""
    return [path for path, node in leaves(schema, schema, name) if not closed(node)]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_no_free_words_in_a_leaf(name: str) -> None:
    assert free(RECORDS[name].model_json_schema(), name) == []


def test_the_walk_finds_free_words() -> None:
    schema = {"type": "object", "additionalProperties": False,
              "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {}},
                             "c": {"anyOf": [{"type": "object"}, {"type": "null"}]},
                             "d": {"type": "number"}}}  # fmt: skip
    assert free(schema, "x") == ["x.a", "x.b[]", "x.c", "x.d"]


# --- names, field by field ------------------------------------------------------------------------


def _pattern(annotated: Any) -> str:
    return next(m.pattern for m in annotated.__metadata__ if getattr(m, "pattern", None))


#: Random ids: 80 bits (a nonce: 256) that are derived from nothing.
IDS = {
    _pattern(x)
    for x in (
        r.CallId, r.ClauseId, r.ToolUseId, r.HandoffId, r.ArtifactId, r.PersonId, r.IncidentId, r.HoldId,
        r.OriginId, r.Nonce,
    )
}  # fmt: skip
#: An HMAC under a salt that is sealed; a control of Annex A, of a closed list of 38.
SAFE = IDS | {_pattern(r.Mac), _pattern(r.Control)}

#: Fields of every record, and of every sealed reference and retention tag in one.
_EVERYWHERE = {
    "tenant": "whose line was called; from configs/lines.yaml, the same for every call of the tenant",
    "sealed.kind": "the personal model's class: fixed per record type (test_a_kind_is_fixed_by_the_type)",
    "sealed.digest": "SHA-256 of AES-256-GCM ciphertext under a random key and nonce, never of plaintext",
}
_OF_A_TAG = {
    "retention_class": "a name from configs/retention.yaml, chosen by kind and agent, not by content",
    "purpose": "of the retention class, from configs/retention.yaml",
    "legal_basis": "of the retention class, from configs/retention.yaml",
    "region": "where the tenant's line keeps content, from configs/lines.yaml",
}

#: Record type and field → why it reveals nothing about a caller.
DECIDED = {
    "approval.requested.role": "a role of configs/people.yaml; the same for every use the rule asks about",
    "call.opened.checkpoint": "a signed checkpoint of one of our logs and nothing else (test_a_note_…)",
    "call.opened.language": "one of the few languages its agent speaks",
    "call.opened.region": "of the tenant's line, from configs/lines.yaml",
    "call.opened.release": "SHA-256 of the resolved agent version: configuration, the same for all its calls",
    "caller.said.engine": "the recogniser's name from the profile, or 'typed'; not what was recognised",
    "consent.recorded.asked": "SHA-256 of a question from configs/disclosures, the same for all callers",
    "consent.recorded.language": "the language in which the question was put: the call's",
    "context.summarised.supplier": "the model endpoint's name from the profile",
    "disclosure.played.language": "the language of the call's disclosure: the call's",
    "key.created.key": "SHA-256 of a public key of ours",
    "key.created.public": "a public key of ours",
    "key.retired.key": "SHA-256 of a public key of ours",
    "origin.closed.root": "the Merkle root of leaves that this test has found empty of personal data",
    "origin.opened.key": "SHA-256 of a public key of ours",
    "origin.opened.of": "a tenant, in the register",
    "judge.answered.question": "SHA-256 of a rule's question, the same for all callers",
    "judge.answered.supplier": "the judge's name from the profile",
    "judge.asked.question": "SHA-256 of a rule's question, the same for all callers",
    "judge.asked.supplier": "the judge's name from the profile",
    "origin.opened.public": "a public key of ours",
    "origin.routed.of": "a tenant, in the register",
    "redaction.made.version": "SHA-256 of the recognisers' tables, the same for every call",
    "release.approved.release": "digest of an agent version",
    "release.bound.fixed[].digest": "SHA-256 of a fixed phrase's words, never of a caller's",
    "release.bound.fixed[].language": "a language of the release",
    "release.bound.fixed[].phrase": "every phrase of the release, the same for all its calls",
    "release.bound.redaction": "SHA-256 of redaction's rule tables: configuration, the same for all calls",
    "release.bound.release": "digest of an agent version",
    "release.promoted.release": "digest of an agent version",
    "release.proposed.release": "digest of an agent version",
    "release.rolled_back.release": "digest of an agent version",
    "release.served.release": "digest of an agent version",
    "supplier.bound.region": "of the supplier, from configs/suppliers.yaml",
    "supplier.bound.supplier": "a supplier's name from the profile",
    "turn.decided.supplier": "the model endpoint's name from the profile",
    "turn.provisional.engine": "the recogniser's name from the profile; not what was recognised",
    **{f"artifact.tagged.tag.{name}": why for name, why in _OF_A_TAG.items()},
}  # fmt: skip


def names(schema: Schema, name: str) -> dict[str, Any]:
    """Fields that hold a string which is neither of a closed list nor known to be random: path → schema."""
    everywhere = {*_EVERYWHERE, *(f"sealed.tag.{field}" for field in _OF_A_TAG)}
    return {
        path: node
        for path, node in leaves(schema, schema, name)
        if isinstance(node, dict)
        and node.get("type") == "string"
        and not {"const", "enum"} & node.keys()
        and node.get("pattern") not in SAFE
        and path.removeprefix(name + ".") not in everywhere
    }


def test_every_name_in_a_leaf_was_decided_on() -> None:
    found = {
        p: n for name, model in RECORDS.items() for p, n in names(model.model_json_schema(), name).items()
    }
    assert sorted(found.keys() - DECIDED.keys()) == [], (
        "new: say in DECIDED why it reveals nothing, or seal it"
    )
    assert sorted(DECIDED.keys() - found.keys()) == [], "gone: take it out of DECIDED"
    assert all(len(why) > 10 for why in DECIDED.values())


def test_the_walk_finds_a_new_name() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {
        "tenant": {"type": "string", "pattern": "^x$"}, "drug": {"type": "string", "pattern": "^[a-z]+$"},
        "call": {"type": "string", "pattern": _pattern(r.CallId)}, "why": {"type": "string", "enum": ["a"]},
        "note": {"$ref": "#/$defs/Note"}}, "$defs": {"Note": {"type": "object", "additionalProperties": False,
        "properties": {"digest": {"type": "string", "pattern": _pattern(r.Digest)}}}}}  # fmt: skip
    assert list(names(schema, "x")) == ["x.drug", "x.note.digest"]


@pytest.mark.parametrize("pattern", sorted(IDS | {_pattern(r.Mac), _pattern(r.Digest), _pattern(r.Control)}))
def test_ids_digests_and_controls_have_no_room_for_words(pattern: str) -> None:
    for words in ("Maria Lopez", "maria-lopez", "555 0143", "+12025550143", "c_maria", "A.9.2 chest pain"):
        assert not re.fullmatch(pattern, words)
        assert not re.search(pattern, words + "\n" + words)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_a_kind_is_fixed_by_the_type(name: str) -> None:
    """``sealed.kind`` is the personal model's; none is written by hand (``batching._seal``)."""
    model = RECORDS[name].personal
    assert model is None or (isinstance(model.kind, str) and re.fullmatch(r"[a-z-]+", model.kind))


def test_a_note_in_a_leaf_is_a_checkpoint_and_nothing_else() -> None:
    import base64

    def opened(note: str) -> r.CallOpened:
        return r.CallOpened(
            tenant="t", call="c_" + "0" * 16, release="sha256:" + "0" * 64, environment=r.Environment.DEMO,
            approved=False, ingress="sip", region="eu", language="en", checkpoint=note,
        )  # fmt: skip

    for text in ("Maria Lopez, chest pain", "sayso.dev/log/o_1\n1\nAAAA\nMaria Lopez\n", ""):
        with pytest.raises(ValueError, match="checkpoint"):
            opened(base64.b64encode(text.encode()).decode())


# --- numbers --------------------------------------------------------------------------------------

#: Set by the writer's or the house's clock or calendar, whatever the caller says: Unix times need ten digits.
UNIX_TIMES = re.compile(r"\.(at|expires_at|period_from|period_to|kept_until)$")
#: The largest number of nine digits: no telephone number with its area code, no card, fits.
NINE_DIGITS = 999_999_999


def wide(schema: Schema, name: str) -> list[str]:
    """Whole numbers with room for a telephone number."""
    return [
        path
        for path, node in leaves(schema, schema, name)
        if isinstance(node, dict)
        and node.get("type") == "integer"
        and not {"const", "enum"} & node.keys()
        and not (node.get("minimum") == 0 and node.get("maximum", NINE_DIGITS + 1) <= NINE_DIGITS)
        and not (UNIX_TIMES.search(path) and node.get("minimum") == 0 and "maximum" in node)
    ]


def test_no_number_has_room_for_a_telephone_number() -> None:
    assert [path for name, model in RECORDS.items() for path in wide(model.model_json_schema(), name)] == []


def test_the_walk_finds_wide_numbers() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {
        "n": {"type": "integer", "minimum": 0}, "ok": {"type": "integer", "minimum": 0, "maximum": 100},
        "rate": {"type": "integer", "enum": [8000]}, "below": {"type": "integer", "maximum": 5},
        "at": {"type": "integer", "minimum": 0}}}  # fmt: skip
    assert wide(schema, "x") == ["x.n", "x.below", "x.at"]


# --- what stands in for content -------------------------------------------------------------------


@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_outside_a_sealed_artefact_can_be_guessed_from_its_content(one: str, other: str) -> None:
    """Digest and HMAC are fresh each time: equal words never look equal, and no dictionary helps."""
    from controls.ledger.sealed import blob_digest, new_key, seal
    from tests.controls.ledger.support import tagger

    key, words = new_key(), ((one + "yes").encode(), (other + "yes").encode())
    made = [
        seal(w, artifact="a_" + "0" * 16, kind="transcript", tag=tagger("transcript", 0), subject_key=key)
        for w in (words[0], words[0], words[1])
    ]
    assert len({s.ref.digest for s in made}) == len({s.ref.hmac for s in made}) == 3
    for sealed, plain in zip(made, (words[0], words[0], words[1]), strict=True):
        assert sealed.ref.digest == blob_digest(sealed.ciphertext)
        assert sealed.ref.digest != blob_digest(plain)
        assert len(plain) < 8 or plain not in sealed.ciphertext + sealed.wrapped


def test_every_type_named_in_the_design_is_there() -> None:
    named = {
        "call.opened", "call.refused", "call.closed", "call.recovered", "callback.promised",
        "release.bound", "supplier.bound", "disclosure.played", "consent.recorded",
        "consent.withdrawn", "caller.said", "turn.decided", "turn.provisional", "turn.withdrawn",
        "clause.cleared", "clause.refused", "agent.played", "tool.requested", "tool.refused", "tool.executed",
        "tool.unknown", "approval.requested", "approval.granted", "approval.edited",
        "approval.refused", "approval.expired", "approval.taken_over", "approval.abandoned", "approval.late",
        "handoff.requested", "handoff.accepted",
        "handoff.failed", "handoff.completed", "person.joined", "person.left", "emergency.detected",
        "control.failed", "control.disabled", "control.missed", "artifact.tagged", "redaction.made",
        "recording.started", "recording.paused", "recording.stopped", "access.viewed",
        "retention.expired", "legal_hold.placed", "legal_hold.lifted", "erasure.done",
        "agent.stopped", "agent.resumed", "key.created", "key.retired", "origin.opened",
        "origin.closed", "origin.routed", "receipt.issued",
    }  # fmt: skip
    assert named <= RECORDS.keys()


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_personal_models_name_their_kind(name: str) -> None:
    model = RECORDS[name].personal
    assert model is None or model.kind
