"""Who cannot be looked up among those who opted out: treated as one, and never on record as one."""

from __future__ import annotations

from controls.consent import RecordConsent
from controls.opening import DISCLOSURE, Answered, Opening, Played, Proceed, Question, Say

RECORD = Question("ask.record", ("record", "transcript"), "sha256:" + "a" * 64)


def test_who_cannot_be_looked_up_is_refused_by_default_and_not_as_stored() -> None:
    opening, first = Opening((RECORD,), opted_out=None).step(Answered())
    opening, then = opening.step(Played(DISCLOSURE, True, 900, 900))
    refused = [o for o in first if isinstance(o, RecordConsent)]
    assert {o.scope for o in refused} == {"record", "transcript", "listening", "training", "callback"}
    assert {(o.given, o.how, o.asked) for o in refused} == {(False, "default", "")}
    assert [o for o in (*first, *then) if isinstance(o, Say)] == [Say(DISCLOSURE, 1)]  # nothing is asked
    assert Proceed(recorded=False) in then
    assert not opening.consents.allows("transcript")
