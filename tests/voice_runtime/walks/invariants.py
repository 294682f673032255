"""What holds of every call, whichever way it goes: from its records and from the wire, and from nothing else.

Each function names what is wrong in sentences. ``test_walks_can_fail`` breaks the runtime in as many
ways and sees to it that one of them says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from controls.bound_phrases import phrase_digest
from controls.ledger import records as r
from tests.simulators.house import DESK, PHRASES
from tests.simulators.whole import Entry, problems
from tests.voice_runtime.walks.said import said_on_record
from tests.voice_runtime.walks.seen import Asked, Seen
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.phrases import STOPPED

#: What a caller says who agrees; what names an emergency; what opts out. The walks say these, word for word.
YES = ("yes", "yes please")
EMERGENCIES = ("i have chest pain", "i can not breathe call an ambulance")
OPTS_OUT = ("never call me again",)
#: Tools of the walks: which of them a person decides on, and which is read back.
APPROVED, READ_BACK = ("find",), ("book",)
#: How the question of the one that is read back ends, and the key that is a yes.
QUESTION, YES_KEY = "Shall I book it?", "1"
#: A card that is keyed in, and no record, model or screen ever holds.
CARD = "5555341244441115"
#: What a caller may key in: that, and the first card number everybody knows.
CARDS = (CARD, "4111111111111111")
#: Sound that was on the wire and is not yet known to have been played when it is cut, in chunks.
_UNDER_WAY = 30
#: Words of the runtime's own that hold values: judged as clauses are, and spoken after a stop too.
_WITH_VALUES = ("I have ", "It will be ", "The code of this call")
_SETTLED = (
    r.ApprovalGranted, r.ApprovalEdited, r.ApprovalRefused, r.ApprovalTakenOver, r.ApprovalExpired,
    r.ApprovalAbandoned,
)  # fmt: skip
_WORDS: dict[str, type[r.Record]] = {
    "granted": r.ApprovalGranted, "edited": r.ApprovalEdited, "refused": r.ApprovalRefused,
    "taken_over": r.ApprovalTakenOver,
}  # fmt: skip


def wrong(seen: Seen) -> list[str]:
    """Everything that is wrong with one finished call."""
    return [
        *problems(seen.entries),
        *ends(seen),
        *sounded(seen),
        *accounted(seen),
        *said_on_record(seen.entries, seen.said),
        *tools(seen),
        *approvals(seen),
        *people(seen),
        *stopped(seen),
        *figures(seen),
    ]


def ends(seen: Seen) -> list[str]:
    """One open, one close, and nothing on the wire behind it."""
    kinds = Counter(record.type for record, _ in seen.entries)
    found = [f"{kinds[kind]} {kind}" for kind in ("call.opened", "call.closed") if kinds[kind] != 1]
    closed = [n for n, (x, _) in enumerate(seen.log) if isinstance(x, r.CallClosed)]
    if closed and any(chunk.durable > closed[0] for chunk in seen.sent):
        found.append("sound was sent after call.closed")
    return found


def sounded(seen: Seen) -> list[str]:
    """Nothing on the wire but words with an earlier durable clearance of their own, or bound phrases."""
    found: list[str] = []
    begun: Counter[str] = Counter()
    for chunk in seen.sent:
        if chunk.text is None:
            found.append("sound that no voice made was sent")
            continue
        begun[chunk.text] += chunk.place == 0
        before = seen.log[: chunk.durable]
        if _is_bound(chunk.text, before):
            continue
        cleared = sum(isinstance(x, r.ClauseCleared) and p.text == chunk.text for x, p in before)
        if begun[chunk.text] > cleared or not cleared:
            found.append(
                f"{chunk.text!r} was sent {begun[chunk.text]} times and cleared {cleared} times by then"
            )
    return list(dict.fromkeys(found))


def _is_bound(text: str, before: list[Entry]) -> bool:
    digest = phrase_digest(text)
    return any(isinstance(x, r.ReleaseBound) and digest in {f.digest for f in x.fixed} for x, _ in before)


def accounted(seen: Seen) -> list[str]:
    """The record says of no word that it sounded which was not sent, and misses none that the caller took."""
    claimed: Counter[str] = Counter()
    in_full: Counter[str] = Counter()
    for record, personal in seen.of(r.AgentPlayed):
        claimed[personal.text] += record.samples
        in_full[personal.text] += not record.interrupted and record.samples > 0
    sent: Counter[str] = Counter(chunk.text for chunk in seen.sent if chunk.text)
    taken: Counter[str] = Counter(chunk.text for chunk in seen.taken if chunk.text)
    ended: Counter[str] = Counter(
        c.text for c in seen.sent if c.text and c.place == seen.chunks.get(c.text, 0) - 1
    )
    begun: Counter[str] = Counter(c.text for c in seen.taken if c.text and c.place == 0)
    found = []
    # Virtual time may take a whole phrase in one step: its marks are on their way as the line goes dead.
    newest = next((chunk.text for chunk in reversed(seen.taken) if chunk.text), None)
    for text in claimed | taken:
        if claimed[text] > sent[text] * CHUNK_SAMPLES:
            found.append(f"{text!r}: {claimed[text]} samples on record, {sent[text]} chunks sent")
        missing = taken[text] - -(-claimed[text] // CHUNK_SAMPLES)
        if missing > _UNDER_WAY * begun[text] and text != newest:
            found.append(f"{text!r}: {taken[text]} chunks taken, {claimed[text]} samples on record")
        if in_full[text] > ended[text]:
            found.append(
                f"{text!r}: played in full {in_full[text]} times on record, sent so {ended[text]} times"
            )
    return found


def tools(seen: Seen) -> list[str]:
    """No request without a durable decision on exactly it, nor twice on one; read back and agreed to."""
    found: list[str] = []
    sent: Counter[str] = Counter()
    turns = {x.turn: n for n, (x, _) in enumerate(seen.of(r.CallerSaid))}
    for asked in seen.asked:
        sent[asked.key] += 1
        requested = [
            (x, p) for x, p in seen.log[: asked.durable]
            if isinstance(x, r.ToolRequested) and asked.key in (x.use, x.repeats)
        ]  # fmt: skip
        if len(requested) < sent[asked.key]:
            found.append(f"{asked.key} reached the service {sent[asked.key]} times, {len(requested)} decided")
            continue
        record, personal = requested[-1]
        found += _as_decided(seen, asked, record, personal)
        if asked.tool in READ_BACK:
            keyed = any(what == YES_KEY for what, _ in seen.after)
            agreed = keyed or (record.turn in turns and _agrees(seen, record.turn))
            if record.read_back != "confirmed" or not agreed:
                found.append(f"{asked.key} was made without the caller's yes")
    found += _asked_last(seen)
    announced = {x.use for x, _ in seen.of(r.ToolRequested)}
    found += [
        f"{x.use} has an outcome and was never on record as requested"
        for x, _ in seen.of(r.ToolExecuted, r.ToolUnknown) if x.use not in announced
    ]  # fmt: skip
    return found


def _asked_last(seen: Seen) -> list[str]:
    """No use without a yes of its own that came when its question was what had sounded last."""
    confirmed = len({asked.key for asked in seen.asked if asked.tool in READ_BACK})
    yes = sum(what in (*YES, YES_KEY) and QUESTION in words for what, words in seen.after)
    return [f"{confirmed} uses were confirmed by {yes} answers to a question asked last"] * (confirmed > yes)


def _agrees(seen: Seen, turn: int) -> bool:
    """Whether the caller's words of that turn are a yes, as the walk said them."""
    of_turn = [p.text for x, p in seen.of(r.CallerSaid) if x.turn == turn]
    said = {words.text for words in seen.said}
    return any(text in YES and text in said for text in of_turn) or (
        of_turn == [""] and bool(said & set(YES))
    )


def _as_decided(seen: Seen, asked: Asked, record: r.ToolRequested, personal: r.ToolDetails) -> list[str]:
    """The request is what was judged, and what a person granted, where one was to."""
    keyed = [name for name, value in personal.arguments.items() if str(value).startswith("entered:")]
    judged = {k: v for k, v in personal.arguments.items() if k not in keyed}
    if {k: v for k, v in asked.body.items() if k not in keyed} != judged:
        return [f"{asked.key} was sent with other arguments than were judged"]
    if asked.tool not in APPROVED:
        return []
    granted = [
        p for x, p in seen.log[: asked.durable] if isinstance(x, r.ApprovalGranted) and x.use == record.use
    ]
    if not granted or not any(d.use == record.use and d.word == "granted" and d.counts for d in seen.decided):
        return [f"{asked.key} was made without the grant of a person"]
    return [] if granted[0].arguments == personal.arguments else [f"{asked.key} is not what was granted"]


def approvals(seen: Seen) -> list[str]:
    """Each question is settled once, as the first person said; whoever was too late is on record as well."""
    found = []
    settled: dict[str, list[str]] = defaultdict(list)
    for record, _ in seen.of(*_SETTLED):
        settled[record.use].append(record.type)
    for record, _ in seen.of(r.ApprovalRequested):
        kinds = [kind for kind in settled[record.use] if kind != "approval.abandoned"]
        if len(kinds) > 1 or not settled[record.use]:
            found.append(f"{record.use} was settled by {settled[record.use]}")
    late = Counter(record.use for record, _ in seen.of(r.ApprovalLate))
    for use in {d.use for d in seen.decided}:
        decided = [d for d in seen.decided if d.use == use and d.counts is not None]
        if sum(bool(d.counts) for d in decided) > 1:
            found.append(f"two decisions on {use} count")
        found += [
            f"{use} was {d.word}, and it is not on record" for d in decided
            if d.counts and not any(x.use == use for x, _ in seen.of(_WORDS[d.word]))
        ]  # fmt: skip
        if late[use] < sum(not d.counts for d in decided):
            found.append(f"{use}: {late[use]} late decisions on record, {len(decided)} decided")
    return found


def people(seen: Seen) -> list[str]:
    """An emergency is one at once; who opts out is let go; nobody is handed to strangers."""
    found = []
    emergencies = {x.turn for x, _ in seen.of(r.EmergencyDetected)}
    out: list[int] = []
    for record, personal in seen.of(r.CallerSaid):
        if personal.text in EMERGENCIES and record.turn not in emergencies:
            found.append(f"turn {record.turn} is an emergency and nobody saw it")
        if personal.text in OPTS_OUT:
            out.append(record.turn)
    if out:
        if not seen.remembered:
            found.append("the caller opted out and nobody remembers it")
        later = [x for x, _ in seen.of(r.TurnDecided) if x.turn >= out[0] and x.outcome == "answered"]
        found += ["the model answered a caller who had opted out"] if later else []
    for to, durable in seen.transfers:
        asked = [x for x, _ in [*seen.log[:durable], *seen.late] if isinstance(x, r.HandoffRequested)]
        if to != DESK:
            found.append("the caller was handed to a number that is no desk's")
        if not asked:
            found.append("the caller was handed over off the record")
    return found


def stopped(seen: Seen) -> list[str]:
    """Behind a stop nothing is cleared for an answer, and nothing is done; a stopped tool is not used."""
    found = []
    at = dict(seen.tool_stopped_at)
    if seen.stopped_at is not None:
        at |= {tool: min(at.get(tool, seen.stopped_at), seen.stopped_at) for tool in ("book", "find", "pay")}
        if not seen.of(r.CallStopped):
            found.append("the call was stopped, and it is not on record")
        told = [n for n, (x, _) in enumerate(seen.log) if isinstance(x, r.CallStopped)]
        before = {p.text for x, p in seen.log[: told[0] if told else 0] if isinstance(x, r.ClauseCleared)}
        said_so = False  # what was cleared before the stop may begin until that cuts it
        for chunk in seen.sent:
            said_so = said_so or chunk.text == PHRASES[STOPPED]
            if chunk.text is None or _is_bound(chunk.text, list(seen.log)) or not told:
                continue
            late = said_so or (chunk.durable > told[0] + 1 and chunk.text not in before)
            if chunk.place == 0 and late and not chunk.text.startswith(_WITH_VALUES):
                found.append(f"{chunk.text!r} was begun after the agent was stopped")
    for asked in seen.asked:
        decided = [
            n for n, (x, _) in enumerate(seen.log)
            if isinstance(x, r.ToolRequested) and asked.key in (x.use, x.repeats)
        ]  # fmt: skip
        if asked.tool in at and decided and decided[0] >= at[asked.tool]:
            found.append(f"{asked.key} was made after {asked.tool} was stopped")
    return found


def figures(seen: Seen) -> list[str]:
    """No figure that was keyed in is anywhere; each entry is framed, and no model is asked within one."""
    kept = [f"{record!r}{personal!r}" for record, personal in seen.entries]
    kept += [body.decode(errors="replace") for body in seen.model]
    found = [f"{part} is left" for part in (CARD, CARD[:9], CARD[9:]) if any(part in text for text in kept)]
    frames = Counter()
    for record, _ in seen.of(r.CaptureStarted, r.CaptureEnded):
        frames[record.use] += 1 if isinstance(record, r.CaptureStarted) else -1
    found += [f"the entry for {use} is not framed" for use, left in frames.items() if left]
    sent = Counter(asked.key for asked in seen.asked if asked.tool == "pay")
    captured = {x.use for x, _ in seen.of(r.CaptureEnded) if x.outcome == "captured"}
    found += [f"{key} left without an entry" for key in sent if key not in captured]
    found += [
        f"{asked.key} left with other figures" for asked in seen.asked
        if asked.tool == "pay" and asked.body.get("card") not in CARDS
    ]  # fmt: skip
    return found
