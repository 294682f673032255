"""What a sentence means, as near as a model of sentences tells it: the seam, and how near is scored. Pure.

A rule's ``like`` goes by words (``controls.rules.topics``) or, with ``by: meaning``, by a model that turns
sentences into vectors. The model is the profile's, loaded once by whoever starts the process and given to
``use``; nothing here loads or runs one. A sentence is compared with a topic's own: the mean cosine of the
``NEAREST`` most alike ones of what it is to be like, less that of what it is not, times 100. The difference
is taken because models differ in how alike they find everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from controls.rules.matchers import Words
from controls.rules.topic_files import Examples
from controls.rules.topics import Likeness

#: Examples of each kind that count, of those most alike.
NEAREST = 3


class Encoder(Protocol):
    """A model of sentences. Calls must be quick (a clause waits), and the same text gives the same answer.

    Attributes:
        digest: ``sha256:…`` of its weights and vocabulary: what a release names.
    """

    digest: str

    def cosines(self, text: str, sentences: tuple[str, ...]) -> Sequence[float]:
        """How alike ``text`` is to each sentence, −1 to 1.

        Raises:
            Exception: it cannot be told; the rule that asked refuses then.
        """
        ...


class NoEncoderError(LookupError):
    """A rule goes by meaning, and this process has no model of sentences."""


_given: list[Encoder] = []


def use(encoder: Encoder | None) -> None:
    """Set the process's model, once at start, before rules are compiled; None for none."""
    _given[:] = [] if encoder is None else [encoder]


def current() -> Encoder | None:
    """The model in use."""
    return _given[0] if _given else None


def likeness(examples: Examples, text: Words, start: int = 0) -> Likeness:
    """How near the words from ``start`` on are to a topic by their meaning, and which example is nearest.

    Raises:
        NoEncoderError: there is no model.
        Exception: whatever the model raises.
    """
    encoder = current()
    if encoder is None:
        raise NoEncoderError(
            "goes by meaning: name a model of sentences in the profile (`meaning`), or state `without_model`"
        )
    said = text.text[text.spans[start][0] :].strip() if start < len(text) else ""
    if not said:
        return Likeness(0.0, ())
    near = encoder.cosines(said, examples.like)
    far = encoder.cosines(said, examples.unlike)
    nearest = max(range(len(near)), key=near.__getitem__)
    return Likeness(100 * (_mean_of_best(near) - _mean_of_best(far)), (examples.like[nearest],))


def _mean_of_best(cosines: Sequence[float]) -> float:
    best = sorted(cosines, reverse=True)[:NEAREST]
    return sum(best) / len(best)
