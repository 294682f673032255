"""Whether a caller's yes answers a read-back: only while that is the last thing they were asked. Pure.

    NONE ──Asked──▶ ASKED ──Sounded(ours)──▶ OPEN
                      │                        ├─ Reply, Key ──────────────▶ Settle, NONE
                      │                        └─ Sounded(another), Else ──▶ Drop, NONE
                      ├─ Begins(another) once ours has begun ──▶ Drop, NONE
                      ├─ Reply ──▶ Settle (a yes counts as neither), NONE
                      ├─ Key ────▶ no, or at its last words: Settle, NONE; an earlier yes: nothing
                      └─ Else, another key ──▶ Drop, NONE

Legal messages by state:

* NONE: Asked; the others change nothing.
* ASKED: all. Words that were under way before the question may sound still: they change nothing. What begins
  once the question has is sent behind it, before anybody knows that the question was played.
* OPEN: all. ``values``: every value to be confirmed has sounded; without them a yes counts as neither.

1. A yes is for the question that was asked last. Whatever the runtime says behind the read-back (are you
   still there, an answer to what this is, a receipt, a way to a person), and whatever else the caller says
   or gets, drops it. It is refused as ``unconfirmed``, and the model, told so, asks anew.
2. Nobody agrees to what has not sounded, nor in words that were over before it began. A no needs no hearing:
   it stops things.
3. A key is an answer once the last words of the question sound. Any other key drops it: the 1 of a number is
   no yes.

Source: ISO/IEC 42001 A.9.2 (responsible use), A.9.4 (intended use).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """A use waits for a yes from now on; an older one was dropped by whoever asks."""

    use: str


@dataclass(frozen=True, slots=True)
class Begins:
    """Something begins to sound; ``ours``: it is the read-back."""

    ours: bool


@dataclass(frozen=True, slots=True)
class Sounded:
    """Something has sounded, or was cut while it did.

    Attributes:
        ours: it is the read-back.
        values: as much of it as holds every value to be confirmed.
    """

    ours: bool
    values: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the caller said to it; ``yes`` is None for neither.

    Attributes:
        early: their last word was said before the question began to sound.
    """

    yes: bool | None
    early: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """The caller pressed a key: yes, no, or another one, such as a number's.

    Attributes:
        yes: None for another one.
        ending: the last words of the question sound at this moment, or their end is not reported yet.
    """

    yes: bool | None
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Else:
    """The runtime says something else, or the caller wants something else."""


Event = Asked | Begins | Sounded | Reply | Key | Else


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settle:
    """It is answered; ``yes`` None: neither yes nor no, or a yes to what they have not been asked yet."""

    use: str
    yes: bool | None


@dataclass(frozen=True, slots=True)
class Drop:
    """It can no longer be answered: refuse it as unconfirmed."""

    use: str


Output = Settle | Drop


@dataclass(frozen=True, slots=True)
class ReadBackQuestion:
    """Where the read-back stands.

    Attributes:
        use: that waits for the caller's yes; "" when none does.
        begun: the question has begun to sound.
        sounded: the question has, or as far as it was not cut.
        values: with all that is to be confirmed.
    """

    use: str = ""
    begun: bool = False
    sounded: bool = False
    values: bool = False

    def step(self, event: Event) -> tuple[ReadBackQuestion, tuple[Output, ...]]:
        """Take one event; returns the next state and what is to be done."""
        if isinstance(event, Asked):
            return ReadBackQuestion(event.use), ()
        if not self.use:
            return self, ()
        match event:
            case Begins(ours=True):
                return replace(self, begun=True), ()
            case Begins() if not self.begun:
                return self, ()
            case Sounded(ours=True, values=values):
                return ReadBackQuestion(self.use, begun=True, sounded=True, values=values), ()
            case Sounded() if not self.sounded:
                return self, ()
            case Reply(yes, early):
                asked = self.values and not early
                return _NONE, (Settle(self.use, None if yes and not asked else yes),)
            case Key(yes=True, ending=False) if not self.sounded:
                return self, ()
            case Key(yes) if yes is not None:
                asked = self.values or not self.sounded
                return _NONE, (Settle(self.use, None if yes and not asked else yes),)
            case _:
                return _NONE, (Drop(self.use),)


_NONE = ReadBackQuestion()
