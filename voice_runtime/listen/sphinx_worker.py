"""A decoder process: pocketsphinx behind pipes. Started by ``listen.sphinx``, ends with its input.

It decodes several utterances in turn as their samples come; each has a decoder
of its own (3 to 5 MB, since only the phrases' words are in its dictionary), and
a second one where a release knows emergencies (``listen.urgent_model``): the
phrases of an agent bend other words towards themselves, and an emergency is
mostly said in other words. Both decode the same samples as they come.

Two choices that were measured on flite voices through µ-law (word errors, 23
sentences by four voices, phrase model of the demo's clinic):

- 8 kHz samples are doubled, not interpolated. The acoustic model was trained on
  16 kHz, and an empty upper half of the spectrum is further from that than the
  mirrored one that doubling leaves (slt: 13 % to 7 %).
- the cepstral mean starts afresh with every utterance, so that one caller's
  line is never in another's result (and slt falls to 3 %).
"""

from __future__ import annotations

import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx

from voice_runtime.listen import wire, word_pairs
from voice_runtime.listen.phrase_model import DIGITS, PhraseModel
from voice_runtime.listen.urgent_model import SOUNDS, UrgentModel

#: A partial result every so many bytes of 8 kHz samples (200 ms).
_PARTIAL_EVERY = 3200
_RATE_HZ = 16000
#: Sounds people make that no dictionary of words has, in ARPAbet.
_SOUNDS = {
    "mhm": "M HH M", "mhmm": "M HH M", "mm": "M", "mmm": "M", "hm": "HH M", "hmm": "HH M",
    "uhuh": "AH HH AH", "uh": "AH", "um": "AH M", "er": "ER", "ok": "OW K EY",
}  # fmt: skip
#: Logistic regression of "were exactly these words said" over 440 decodings of four flite voices, inside
#: and outside the clinic's phrases. At 0.4 it takes 12 % of what is outside and refuses 3 % of what is right.
_EVIDENCE, _ACOUSTIC, _POSTERIOR, _BIAS = 6.4, 0.56, 3.0, -5.0
#: A second reading counts from this mean posterior of its words, and from this share of steps from word to
#: word that emergencies or common English have. Of 28 emergencies found in 50 sentences both leave 24, of 7
#: false ones in 113 others 2; see loadtests/NOTES.md.
_LEAST_POSTERIOR = 0.35
_LEAST_ATTESTED = 0.75
#: Where the second reading's cepstral mean begins: that of a telephone line whose samples are doubled (40
#: sentences of four flite voices), so that the first words are not read by a mean far from theirs.
_LINE_MEAN = "57,3,8,10,4,-2,2,-2,-8,5,-2,5,0"
#: Narrower beams than pocketsphinx's own for the second reading, which has six times the words: 0.2 of a
#: core become 0.1, and as many emergencies are found.
_SECOND = {"maxhmmpf": 2500, "beam": 1e-45, "wbeam": 1e-25, "pbeam": 1e-45}


@dataclass
class _Decoders:
    """What the decoders of one language model are made from, and those that nobody uses.

    Attributes:
        dictionary, language_model: files in memory.
        mean: the cepstral mean an utterance begins with; "" until a decoder has said its own.
        options: of pocketsphinx, beside the model's.
    """

    dictionary: int
    language_model: int
    mean: str = ""
    options: dict[str, float] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)

    def begun(self) -> Any:
        """A decoder at the start of an utterance, with nothing of the last caller's line.

        Neither its mean (set also for a new decoder, because setting it sets its weight too) nor what the
        front end keeps. The call is deprecated as unnecessary; without it confidences differ in the fourth
        place from one caller to the next.
        """
        decoder = self.idle.pop() if self.idle else self._made()
        decoder.set_cmn(self.mean)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            decoder.start_stream()
        decoder.start_utt()
        return decoder

    def prepare(self) -> None:
        """Make one: the first caller does not wait for it."""
        first = self._made()
        self.mean = self.mean or first.get_cmn(False)
        self.idle.append(first)

    def _made(self) -> Any:
        model = Path(pocketsphinx.get_model_path()) / "en-us"
        return pocketsphinx.Decoder(
            hmm=str(model / "en-us"),
            dict=f"/proc/self/fd/{self.dictionary}",
            lm=f"/proc/self/fd/{self.language_model}",
            samprate=_RATE_HZ,
            loglevel="FATAL",
            **self.options,
        )


@dataclass
class _Urgent(_Decoders):
    """Of the second reading; ``words`` says how much of a reading anybody would say."""

    words: UrgentModel | None = None

    def attested(self, said: list[str]) -> float:
        return self.words.attested(said) if self.words is not None else 0.0


@dataclass
class _Model:
    """One release's words. ``urgent`` is for the second reading; None: there is none."""

    phrases: PhraseModel
    ordinary: _Decoders
    urgent: _Urgent | None


class _Utterance:
    """One utterance being decoded."""

    def __init__(self, model: _Model) -> None:
        self.model = model
        self.partial = ""
        self._since_partial = 0
        self._decoder = model.ordinary.begun()
        self._second = None if model.urgent is None else model.urgent.begun()

    def feed(self, pcm: bytes) -> bool:
        """Decode; whether there is a new partial."""
        samples = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2")
        if not len(samples):  # pocketsphinx refuses nothing at all
            return False
        doubled = np.repeat(samples, 2).tobytes()
        self._decoder.process_raw(doubled)
        if self._second is not None:
            self._second.process_raw(doubled)
        self._since_partial += len(pcm)
        if self._since_partial < _PARTIAL_EVERY:
            return False
        self._since_partial = 0
        hypothesis = self._decoder.hyp()
        before, self.partial = self.partial, hypothesis.hypstr if hypothesis else ""
        return self.partial != before

    def result(self) -> dict[str, Any]:
        """The final text with its confidence, and the second reading where it is sure enough."""
        self._end()
        hypothesis = self._decoder.hyp()
        words = hypothesis.hypstr.split() if hypothesis else []
        confidence = self._confidence(words) if words else 0.0
        also = self._second_reading()
        self._release()
        return {"text": " ".join(words), "confidence": round(confidence, 4), "also": also}

    def _second_reading(self) -> list[str]:
        hypothesis = None if self._second is None else self._second.hyp()
        if not hypothesis or not hypothesis.hypstr:
            return []
        assert self._second is not None  # it said something
        posteriors = [min(1.0, s.prob) for s in self._second.seg() if s.word[0] not in "<[+"]
        if sum(posteriors) < _LEAST_POSTERIOR * len(posteriors):
            return []
        assert self.model.urgent is not None  # it has decoded
        attested = self.model.urgent.attested(hypothesis.hypstr.split())
        return [hypothesis.hypstr] if attested >= _LEAST_ATTESTED else []

    def forget(self) -> None:
        self._end()
        self._release()

    def _end(self) -> None:
        self._decoder.end_utt()
        if self._second is not None:
            self._second.end_utt()

    def _release(self) -> None:
        self.model.ordinary.idle.append(self._decoder)
        if self.model.urgent is not None:
            self.model.urgent.idle.append(self._second)

    def _confidence(self, words: list[str]) -> float:
        """0 to 1: how sure one can be that exactly these words were said.

        From how well the phrases attest the sequence, the acoustic density of
        the words' frames (natural logarithm, relative to the best senone), and
        the mean posterior of the words in the lattice.
        """
        spoken = [s for s in self._decoder.seg() if s.word[0] not in "<[+"]
        frames = sum(s.end_frame - s.start_frame + 1 for s in spoken)
        if not frames:
            return 0.0
        density = sum(math.log(max(s.ascore, 1e-308)) for s in spoken) / frames
        posterior = sum(min(1.0, s.prob) for s in spoken) / len(spoken)
        score = (
            _EVIDENCE * self.model.phrases.evidence(words)
            + _ACOUSTIC * density
            + _POSTERIOR * posterior
            + _BIAS
        )
        return 1 / (1 + math.exp(-score))


class Worker:
    """The process's state: its models, and the utterances it decodes."""

    def __init__(self) -> None:
        self._models: dict[str, _Model] = {}
        self._second: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], _Urgent | None] = {}
        self._utterances: dict[int, _Utterance] = {}

    def handle(self, kind: bytes, number: int, body: bytes) -> Iterator[bytes]:
        """Act on one message; yields the answers."""
        match kind:
            case wire.LOAD:
                yield wire.pack(wire.LOADED, 0, self._load(json.loads(body)))
            case wire.OPEN:
                self._utterances[number] = _Utterance(self._models[json.loads(body)["key"]])
            case wire.AUDIO if number in self._utterances:
                utterance = self._utterances[number]
                if utterance.feed(body):
                    yield wire.pack(wire.PARTIAL, number, {"text": utterance.partial})
            case wire.FINISH if number in self._utterances:
                yield wire.pack(wire.RESULT, number, self._utterances.pop(number).result())
            case wire.CANCEL if number in self._utterances:
                self._utterances.pop(number).forget()

    def drop(self, number: int) -> None:
        """Lose an utterance with its decoder, whose state is unknown."""
        self._utterances.pop(number, None)

    def _load(self, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = {"key": wanted["key"], "missing": [], "strange": [], "problem": ""}
        try:
            phrases = PhraseModel(wanted["phrases"])
        except ValueError as error:
            return answer | {"problem": str(error)}
        sounds = _SOUNDS | wanted["pronunciations"]
        phones = _phones()
        strange = [w for w, s in wanted["pronunciations"].items() if not s.split() or set(s.split()) - phones]
        if strange:
            return answer | {"strange": strange}
        entries, missing = _pronounce({*phrases.words, *DIGITS}, sounds)
        if missing:
            return answer | {"missing": missing}
        ordinary = _Decoders(_in_memory("".join(entries)), _in_memory(phrases.arpa()))
        urgent = self._urgent(wanted["urgent"], SOUNDS | sounds)
        ordinary.prepare()
        self._models[wanted["key"]] = _Model(phrases, ordinary, urgent)
        return answer

    def _urgent(self, sentences: list[str], sounds: dict[str, str]) -> _Urgent | None:
        """Decoders ready for the second reading; releases that know the same sentences share them."""
        spoken = {word for sentence in sentences for word in sentence.split()}
        key = (tuple(sentences), tuple(sorted((w, s) for w, s in sounds.items() if w in spoken)))
        if key not in self._second:
            made = self._second[key] = _urgent(sentences, sounds)
            if made is not None:
                made.prepare()
        return self._second[key]


def _urgent(sentences: list[str], sounds: dict[str, str]) -> _Urgent | None:
    """Decoders for what emergencies sound like; sentences with words nobody can pronounce are left out."""
    _, missing = _pronounce({word for sentence in sentences for word in sentence.split()}, sounds)
    unknown = set(missing)
    known = [sentence for sentence in sentences if not unknown.intersection(sentence.split())]
    if not known:
        return None
    pairs = word_pairs.read().of({word for sentence in known for word in sentence.split()})
    model = UrgentModel(known, pairs)
    entries, _ = _pronounce(set(model.words), sounds)
    arpa = _in_memory(model.arpa())
    return _Urgent(_in_memory("".join(entries)), arpa, mean=_LINE_MEAN, options=dict(_SECOND), words=model)


def _pronounce(words: set[str], sounds: dict[str, str]) -> tuple[list[str], list[str]]:
    """Dictionary lines for ``words``, and the words that have no pronunciation.

    ``sounds`` come first; ``sounds`` given for a word of the dictionary are added to its own.
    """
    entries = [f"{word} {sounds[word]}\n" for word in sorted(words) if word in sounds]
    found = {word for word in words if word in sounds}
    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    variants: dict[str, int] = dict.fromkeys(found, 1)
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            name, _, phones = line.partition(" ")
            word = name.partition("(")[0]
            if word not in words:
                continue
            variants[word] = variants.get(word, 0) + 1
            entries.append(f"{word}({variants[word]}) {phones}" if variants[word] > 1 else f"{word} {phones}")
    return entries, sorted(words - set(variants))


def _phones() -> set[str]:
    """The phones of the acoustic model."""
    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    with path.open(encoding="utf-8") as lines:
        return {phone for line in lines for phone in line.split()[1:]}


def _in_memory(text: str) -> int:
    """A file that has no name, so that a killed process leaves none."""
    handle = os.memfd_create("sayso")
    with os.fdopen(handle, "wb", closefd=False) as file:
        file.write(text.encode())
    return handle


def answers(worker: Worker, message: tuple[bytes, int, bytes]) -> Iterable[bytes]:
    """What ``worker`` answers; a decoder that fails costs its utterance, not the process."""
    kind, number, body = message
    try:
        yield from worker.handle(kind, number, body)
    except (RuntimeError, LookupError, ValueError) as error:
        worker.drop(number)
        yield wire.pack(wire.RESULT, number, {"error": type(error).__name__})


def main() -> None:
    """Serve until standard input ends."""
    out, into = sys.stdout.buffer, sys.stdin.buffer
    worker = Worker()
    out.write(wire.pack(wire.READY))
    out.flush()
    while (message := wire.read(into)) is not None:
        for answer in answers(worker, message):
            out.write(answer)
        out.flush()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
