"""Collects cosignatures for a log: asks its witnesses about every minute (C2SP tlog-witness, the client).

Nothing waits for a witness: questions run in threads of their own, every one
against the same checkpoint; whatever cosignature holds is stored at once. What
a witness has confirmed is remembered, so that a proof starts there; a witness
that remembers otherwise says so (409) and is asked once more.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from loguru import logger

from controls.errors import IntegrityError, LedgerError, SayError
from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, with_signatures
from controls.ledger.prover import FolderTiles, LogTiles, Prover, TileSource
from controls.ledger.reader import LogView
from controls.ledger.tree import root_of, verify_consistency
from controls.ledger.witness_client import Exchange, Outcome, Prove, Reached, WitnessAddress, ask

#: Longest wait for a connection or for bytes; a whole question has twice that. s.
TIMEOUT_S = 10.0
#: Longest wait for a cosignature to become durable, s.
STORE_S = 10.0


class CosignedLog(Protocol):
    """What is needed of ``controls.ledger.log.Log``."""

    directory: Path

    @property
    def origin(self) -> str:
        """``o_…``."""
        ...

    def checkpoint(self) -> Checkpoint:
        """The newest signed checkpoint; ``LedgerError`` when the log is not open."""
        ...

    def cosigned(self) -> Checkpoint | None:
        """The newest checkpoint with a witness's cosignature."""
        ...

    def add_cosigned(self, checkpoint: Checkpoint) -> Future[None]:
        """Store a checkpoint with its cosignatures; done when durable."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """How it goes with one witness, as of the last question.

    Attributes:
        size: tree size it last confirmed; None when that is not known yet.
        last_cosigned_at: time in its newest cosignature, Unix s.
        failures: questions since the start that brought no cosignature.
        conflicts: how often it came to stand against the log.
    """

    witness: WitnessAddress
    state: Reached = "unasked"
    size: int | None = None
    last_cosigned_at: int | None = None
    failures: int = 0
    conflicts: int = 0


class Cosigner:
    """Collects one log's cosignatures. ``start`` once; ``close`` before the log closes."""

    def __init__(
        self,
        log: CosignedLog,
        witnesses: Sequence[WitnessAddress],
        every_s: float,
        *,
        prove: Prove | None = None,
        on_conflict: Callable[[WitnessAddress, bytes], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Prepare; nothing is asked before ``start``.

        Args:
            every_s: s between questions.
            prove: makes consistency proofs; from the log's published tiles, or
                else its leaves, by default.
            on_conflict: told, in a thread of ours, when a witness comes to stand
                against the log: the witness, and the note of ours it refused.
            timeout_s: longest wait for a connection or for bytes.
        """
        self._log = log
        self._every_s = every_s
        self._prove = prove or prover_of(log)
        self._on_conflict = on_conflict
        self._timeout_s = timeout_s
        self._standings = {witness: Standing(witness) for witness in witnesses}
        self._running: dict[WitnessAddress, tuple[threading.Thread, Exchange]] = {}
        self._gate = threading.Lock()
        self._due = threading.Condition(self._gate)
        self._waiters: list[threading.Event] = []
        self._answers: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._closed = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"cosign {log.directory.name}", daemon=True)

    @property
    def origin(self) -> str:
        """The log's ``o_…``."""
        return self._log.origin

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Each witness's, in the order they were given."""
        return tuple(self._standings.values())

    @property
    def closed(self) -> bool:
        """Whether it asks no more."""
        return self._closed

    def start(self) -> None:
        """Begin with a first question at once."""
        self._thread.start()

    def ask_now(self, timeout_s: float) -> Checkpoint | None:
        """Ask every witness about the newest checkpoint. Blocks; not for an event loop.

        Returns:
            a cosigned checkpoint no older than the log's newest was when this was
            called; None when no witness cosigned one within ``timeout_s``.

        Raises:
            LedgerError: the log is not open.
        """
        wanted, answered = self._log.checkpoint().size, threading.Event()
        with self._due:
            if self._closed:
                answered.set()
            else:
                self._waiters.append(answered)
                self._due.notify()
        answered.wait(timeout_s)
        found = self._log.cosigned()
        return found if found is not None and found.size >= wanted else None

    def close(self) -> None:
        """Ask no more; questions under way are given up. Blocks shortly; may be repeated."""
        with self._due:
            self._closed = True
            self._due.notify()
            running = list(self._running.values())
        self._answers.put(None)
        for _, exchange in running:
            exchange.abort()
        if self._thread.is_alive():
            self._thread.join()
        for thread, _ in running:
            thread.join(1.0)  # it may hang in a name look-up, which cannot be given up

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            with self._due:
                self._due.wait_for(lambda: self._closed or self._waiters, max(0.0, due - time.monotonic()))
                waiters, self._waiters = self._waiters, []
                if self._closed:
                    break
            due = time.monotonic() + self._every_s
            found: list[str] = []
            with _noted(found):
                self._ask_all(self._log.checkpoint(), found)
            if found and found[0] != self._trouble and not self._closed:
                logger.error("log {}: cosignatures: {}", self._log.origin, found[0])
            self._trouble = found[0] if found else ""
            for waiter in waiters:
                waiter.set()
        for waiter in waiters:
            waiter.set()

    def _ask_all(self, checkpoint: Checkpoint, trouble: list[str]) -> None:
        """One question to each witness that is not still busy; ``trouble``: what goes wrong on our side."""
        self._answers = queue.SimpleQueue()
        asked = {witness for witness in self._standings if self._begin(witness, checkpoint)}
        deadline = time.monotonic() + 2 * self._timeout_s
        while asked:
            try:
                outcome = self._answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if outcome is None or self._closed:
                return
            asked.discard(outcome.witness)
            self._running[outcome.witness][0].join()  # all but over: else the next question finds it busy
            with _noted(trouble):
                self._take(outcome, checkpoint)
        for witness in asked:
            self._running[witness][1].abort()
            self._take(Outcome(witness, "unreachable", "it took too long"), checkpoint)

    def _begin(self, witness: WitnessAddress, checkpoint: Checkpoint) -> bool:
        busy = self._running.get(witness)
        if busy is not None and busy[0].is_alive():  # given up, and not yet back from a name look-up
            return False
        exchange, answers = Exchange(witness, self._timeout_s), self._answers
        thread = threading.Thread(
            target=lambda: answers.put(self._question(witness, exchange, checkpoint)),
            name=f"ask {witness.key.name}",
            daemon=True,
        )
        with self._gate:
            if self._closed:
                return False
            self._running[witness] = (thread, exchange)
            thread.start()
        return True

    # -- one question, in its own thread --------------------------------------------------------

    def _question(self, witness: WitnessAddress, exchange: Exchange, checkpoint: Checkpoint) -> Outcome:
        try:
            return ask(exchange, checkpoint, self._confirmed(witness), self._prove)
        except SayError as error:
            return Outcome(witness, None, str(error))
        except Exception as error:  # noqa: BLE001 - a bug costs this witness's cosignature, nothing else
            return Outcome(witness, None, type(error).__name__)

    def _confirmed(self, witness: WitnessAddress) -> int:
        """The size it confirmed last, as far as we know."""
        size = self._standings[witness].size
        if size is None:
            stored = self._log.cosigned()
            with suppress(IntegrityError):
                if stored is not None and cosigned_at(stored, witness.key) is not None:
                    return stored.size
        return size or 0

    # -- what came of it ------------------------------------------------------------------------

    def _take(self, outcome: Outcome, checkpoint: Checkpoint) -> None:
        before = self._standings[outcome.witness]
        if outcome.state is None:
            self._standings[outcome.witness] = replace(before, failures=before.failures + 1)
            raise LedgerError(f"no proof for its witnesses: {outcome.why}")
        if outcome.state == "ok":
            after = replace(before, state="ok", size=checkpoint.size, last_cosigned_at=outcome.at)
        else:
            after = replace(before, state=outcome.state, failures=before.failures + 1)
        turned = outcome.state != before.state
        if turned and outcome.state == "conflict":
            after = replace(after, conflicts=before.conflicts + 1)
        self._standings[outcome.witness] = after
        if turned:
            self._tell(outcome, checkpoint)
        if outcome.line:
            self._store(checkpoint, outcome.line, outcome.witness.key)

    def _tell(self, outcome: Outcome, checkpoint: Checkpoint) -> None:
        origin, name = self._log.origin, outcome.witness.key.name
        if outcome.state == "ok":
            logger.info("log {}: witness {} cosigns", origin, name)
        elif outcome.state != "conflict":
            logger.warning("log {}: witness {} {}: {}", origin, name, outcome.state, outcome.why)
        else:
            logger.error(
                "log {}: WITNESS {} CONTRADICTS IT: {}. Was the log restored from an older copy, or does "
                "another one run under its name? Keep both before anything else", origin, name, outcome.why,
            )  # fmt: skip
            if self._on_conflict is not None:
                self._on_conflict(outcome.witness, checkpoint.note)

    def _store(self, checkpoint: Checkpoint, line: bytes, key: VerifierKey) -> None:
        """Add a cosignature to those stored; the first of a witness for a size is the one that counts."""
        known = self._log.cosigned()
        if known is not None and known.size == checkpoint.size and known.root == checkpoint.root:
            if cosigned_at(known, key) is not None:
                return
            checkpoint = known
        try:
            self._log.add_cosigned(with_signatures(checkpoint, line)).result(STORE_S)
        except TimeoutError:
            raise LedgerError(f"a cosignature is not durable after {STORE_S:g} s") from None


@contextmanager
def _noted(trouble: list[str]) -> Iterator[None]:
    """What goes wrong on our side costs a cosignature, never the thread: it asks again in a minute."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - see above; only the type of what is not ours is told
        trouble.append(str(error) if isinstance(error, SayError) else type(error).__name__)


def prover_of(log: CosignedLog) -> Prove:
    """Proofs from the log's published tiles; from its leaves where those are missing, behind or damaged.

    Each is checked before it is used: our own damage must not look like a witness's contradiction.
    """

    def prove(old: int, checkpoint: Checkpoint) -> Sequence[bytes]:
        with suppress(SayError):
            return _proven(FolderTiles(log.directory / "tlog"), old, checkpoint)
        with closing(LogView(log.directory)) as view:
            return _proven(LogTiles(view), old, checkpoint)

    return prove


def _proven(source: TileSource, old: int, checkpoint: Checkpoint) -> Sequence[bytes]:
    prover = Prover(source, checkpoint.size)
    proof = prover.consistency(old)
    before = root_of(prover.subtree, old)  # from the tiles of the present size: old partial ones are gone
    if not verify_consistency(old, checkpoint.size, before, checkpoint.root, proof):
        raise IntegrityError(f"the tree of {checkpoint.size} records is not the one that was signed")
    return proof
