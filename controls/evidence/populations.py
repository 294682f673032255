"""For each control of Annex A: the occasions on which it has to act, why these, and what tests it. Data.

A population is never the number of records of a kind: it is how often something had to
be done, whether or not a record says that it was. Where nothing a runtime records can
tell (the controls marked N), there is no population, and never will be.
"""

from __future__ import annotations

from dataclasses import dataclass

from controls.annex_a import CONTROLS


@dataclass(frozen=True, slots=True)
class Population:
    """One control's.

    Attributes:
        topics: kinds of occasion (``controls.evidence.occasions``) that are counted together.
        occasion: what one is, and what accounts for it.
        because: why these are the occasions on which this control has to act.
        tested: what counts as a real test of it; "" where no record can be one.
    """

    control: str
    topics: tuple[str, ...]
    occasion: str
    because: str
    tested: str = ""


POPULATIONS: tuple[Population, ...] = (
    Population(
        "A.2.2", ("call",),
        "a call that began: bound, before anything sounded, to the release it was opened with",
        "the policy reaches a caller through the release alone, with its purpose and refusals",
        "a call turned away because its release was not approved, or a phrase the release does not bind",
    ),
    Population("A.2.3", (), "", "how other policies bear on this one is nowhere in a record"),
    Population(
        "A.2.4", ("approved",),
        "a release that took calls: on record as approved",
        "each release carries the policy as it then was, so each needs somebody who looked at it again",
        "an approval, or a release rolled back",
    ),
    Population(
        "A.3.2", ("acts",),
        "a person's act (an approval decided, a call joined, a stop, a release approved): names who",
        "a role is exercised when somebody acts in it, and only then can a name be missing",
        "a refusal, an edit, a stop, a release rolled back",
    ),
    Population(
        "A.3.3", ("concern", "incident"),
        "a failure somebody entered later, or an incident: put right, or still within its time",
        "a concern is reported when it is entered; whether reporting works shows in what becomes of it",
        "one that was put right or closed",
    ),
    Population(
        "A.4.2", ("resources",),
        "a call that began: model, voice and, where somebody spoke, recogniser on record; no other answered",
        "what a call uses is decided when it begins, and again when one of a chain stands in for another",
        "a recogniser, model or voice that failed, or another that stood in",
    ),
    Population(
        "A.4.3", ("artefact",),
        "something kept of a call: sealed under a tag that says class, purpose, basis, region and end",
        "data comes to be when something is kept; a recording needs a tag of its own",
        "an expiry, an erasure or a legal hold that acted upon a tag",
    ),
    Population(
        "A.4.4", ("tooling",),
        "a tool the model asked for: recorded before it ran, under a release that fixes tools by digest",
        "a tool matters when it is asked for, also where it is then refused",
        "a refusal of a tool that is not the agent's, or of arguments its schema does not allow",
    ),
    Population(
        "A.4.5", ("media",),
        "a call that began: what carried it on record before anything was said",
        "the medium is the computing resource of a call that the caller's side decides",
        "a line whose echo was found, or a carrier that failed",
    ),
    Population("A.4.6", (), "", "what people know and were taught is nowhere in a record"),
    Population(
        "A.5.2", ("proposed",),
        "a release that took calls: on record as proposed, which asks for an assessment",
        "each release may change the impact, so each is an occasion for assessing it",
        "a release rolled back",
    ),
    Population(
        "A.5.3", ("approved",),
        "a release that took calls: on record as approved, with its assessment",
        "the assessment is bound to a release when that is approved",
        "an approval, or a release rolled back",
    ),
    Population(
        "A.5.4", ("language",),
        "a call in which somebody spoke and which ended: counted into the rates of its language",
        "impact on groups shows in refusals and handoffs by language, and every call weighs in",
        "a refused clause or a failed handoff, which moves a rate",
    ),
    Population("A.5.5", (), "", "effects on society are nowhere in a record"),
    Population(
        "A.6.1.2", ("measured",),
        "words addressed to the agent: answered, withdrawn, or handed to a person",
        "objectives are about answers; the times themselves are sealed and not opened for this",
        "a deadline that passed, or suppliers that ran out",
    ),
    Population(
        "A.6.1.3", ("approved",),
        "a release that took calls: on record as approved by somebody",
        "the process of design ends in a release, and what went round it has no approval",
        "an approval, or a release rolled back",
    ),
    Population(
        "A.6.2.2", ("call", "clause"),
        "a call that began, bound to its release; and each clause that sounded, under it",
        "a specification that is not enforced on every clause is a wish",
        "a clause refused or reworded, or a phrase the release does not bind",
    ),
    Population(
        "A.6.2.3", ("proposed",),
        "a release that took calls: on record as proposed",
        "the history of design is the row of proposals; a release without one has no history",
        "a release rolled back",
    ),
    Population(
        "A.6.2.4", ("approved",),
        "a release that took calls: on record as approved, which asks for a signed eval result",
        "verification is of a release, before its first call",
        "an approval, or a release rolled back",
    ),
    Population(
        "A.6.2.5", ("deployment",),
        "a call outside demo and development: its release was approved when it was opened",
        "deployment happens where real callers are; trying out is none",
        "a call turned away because its release was not approved, or a release rolled back",
    ),
    Population(
        "A.6.2.6", ("break",),
        "something that broke, or a call a crash left open: the caller was told, fetched, or it was closed",
        "monitoring has to act when something breaks; without that, it has nothing to show",
        "each of these that was handled",
    ),
    Population(
        "A.6.2.7", ("call",),
        "a call that began: bound to a release, whose resolved text is its technical documentation",
        "documentation has to fit what ran, call by call",
        "a call turned away because its release was not approved, or a phrase the release does not bind",
    ),
    Population(
        "A.6.2.8", ("numbers",),
        "a call: its records numbered without gap or repeat, and its end counts them",
        "every call is an occasion to lose a record",
        "a crash or a full disk that was recovered from, a call not taken because it could not be recorded, "
        "or the verification of the whole log with this report",
    ),
    Population(
        "A.7.2", ("purpose",),
        "something kept of a call: for a purpose that is not training, or with consent to that",
        "whether data may serve development is decided by the purpose it is kept for",
        "a consent refused or taken back, an erasure, an expiry",
    ),
    Population(
        "A.7.3", ("basis", "callback"),
        "words of a caller that were kept: not after they refused that, or took their consent back; and a "
        "call-back promised, for which their number is kept: behind a yes to one",
        "data is acquired when a caller's words are kept, or their number to call them",
        "a consent refused or taken back",
    ),
    Population(
        "A.7.4", ("recognition",),
        "an utterance: recognised, by an engine on record; or, when that failed, the caller was told so",
        "the quality of what is decided on begins with every utterance",
        "a recogniser that failed, handled",
    ),
    Population(
        "A.7.5", ("provenance",),
        "a question to the model: it rests on words of the caller that were on record before",
        "provenance is lost where a decision rests on nothing that is on record",
        "words taken back, whose answer was withdrawn",
    ),
    Population(
        "A.7.6", ("redaction",),
        "a call of which words were kept: bound to the version of the redaction rules they went through; and "
        "each text that could not be gone through, and was withheld",
        "whatever is kept has to be prepared first",
        "something found and taken out",
    ),
    Population(
        "A.8.2", ("disclosure",),
        "a call that was answered: disclosed in full before the model took part, or a person did",
        "a caller has to know before the first word of a model, in every call",
        "a disclosure cut off and played again, or one that failed and led to a person",
    ),
    Population(
        "A.8.3", ("incident",),
        "an incident: closed, or still within its time",
        "what comes from outside is reported as an incident",
        "one that was closed",
    ),
    Population(
        "A.8.4", ("incident",),
        "an incident: closed, or still within its time",
        "whoever is concerned has to be told in time",
        "one that was closed",
    ),
    Population(
        "A.8.5", ("look",),
        "somebody who looked at a call: says who and why, before anything was opened",
        "information for interested parties is handed out by looking",
        "an audit packet, a caller's receipt, or a reconciliation with the carrier",
    ),
    Population(
        "A.9.2", ("clause", "tool", "approval", "emergency", "person", "stop", "capture"),
        "a clause that sounded, a use of a tool, an approval, an emergency, a handoff, a stop or an entry by "
        "keys: cleared, confirmed, decided, fetched, answered, named or framed as due, and in that order",
        "responsible use is decided each time before something is said or done",
        "a clause refused or reworded, a tool refused, an approval refused or late, an emergency, a "
        "handoff nobody answered, a stop, figures asked for and not entered",
    ),
    Population(
        "A.9.3", ("risk",),
        "a clause or a use of a tool with its risk on record: nothing cleared at or above the limit",
        "the limit is the measurable objective, and each judgement is an occasion to miss it",
        "a clause refused at or above the limit",
    ),
    Population(
        "A.9.4", ("scope",),
        "an answer of the model: judged, or not given",
        "the model proposes, so every proposal is where intended use could be left",
        "a refusal of what is out of scope, or of a tool by a rule",
    ),
    Population(
        "A.10.2", ("responsible",),
        "a supplier that served a call: the register names who answers for it",
        "responsibilities are allocated for each supplier that takes part",
    ),
    Population(
        "A.10.3", ("supplier",),
        "a supplier that served a call, registered for that stage and region; a call without any counts too",
        "a supplier is used when a call is bound to it",
    ),
    Population(
        "A.10.4", ("withdrawal", "erasure", "callback"),
        "a consent refused or taken back, or an erasure asked for: nothing was kept or said against it; and "
        "a call-back promised: behind a yes to one that stood",
        "what was promised to a caller is put to the test when they ask for it, and when they are called",
        "each of these",
    ),
)  # fmt: skip

#: Control id → population.
BY_CONTROL: dict[str, Population] = {p.control: p for p in POPULATIONS}

if tuple(BY_CONTROL) != tuple(c.id for c in CONTROLS):
    raise AssertionError("populations and the 38 controls differ")
