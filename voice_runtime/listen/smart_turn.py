"""Has the caller finished? pipecat's bundled Smart Turn model: one session for all calls, off the loop.

Costs 12 to 60 ms of one core per question, so it is asked only at a pause whose
text does not settle the matter.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from typing import Any, Protocol

import numpy as np
import onnxruntime
import soxr
from pipecat.audio.turn.smart_turn._whisper_features import compute_whisper_log_mel_features

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ
from voice_runtime.priority import background_thread

NAME = "smart-turn"
_MODEL_RATE_HZ = 16000
_WINDOW_S = 8
#: Questions each thread computes before the first caller's. In a shape's first run onnxruntime notes what it
#: takes, and from the second on it takes that as one block (``enable_mem_pattern``): more bring nothing.
_WARMING = 2


class TurnModel(Protocol):
    """Judges by ear whether a turn is complete."""

    async def complete(self, pcm: bytes) -> float:
        """The probability, 0 to 1, that the caller has finished.

        Args:
            pcm: the turn so far with the pause at its end, 8 kHz s16le; the last 8 s count.

        Raises:
            ProviderError: it cannot say now.
        """
        ...


class SmartTurn:
    """The model itself (``TurnModel``). ``close`` it at the end.

    Questions wait on the event loop, in the order asked, and only then cost anything: who no longer wants
    the answer cancels ``complete`` and has asked nothing. One that is being computed is computed to its end.
    Use it from one event loop.

    Attributes:
        answered, refused, withdrawn: what became of the questions, since the start.
    """

    def __init__(self, *, threads: int = 2, most_waiting: int = 8) -> None:
        """Load the model (about 0.1 s).

        Args:
            threads: questions answered at a time, behind the event loop in priority.
            most_waiting: questions in all, those being computed included; further ones are refused.
        """
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        with as_file(files("pipecat.audio.turn.smart_turn.data") / "smart-turn-v3.2-cpu.onnx") as path:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
            )
        self._threads = ThreadPoolExecutor(
            threads, thread_name_prefix="smart-turn", initializer=background_thread
        )
        self._at_a_time = threads
        self._free = asyncio.Semaphore(threads)
        self._most_waiting = most_waiting
        self._asked = 0
        self.answered = self.refused = self.withdrawn = 0

    @property
    def asked(self) -> int:
        """Questions that wait or are being computed."""
        return self._asked

    async def complete(self, pcm: bytes) -> float:
        if self._asked >= self._most_waiting:
            self.refused += 1
            raise ProviderError("too many questions at once", supplier=NAME)
        self._asked += 1
        try:
            await self._free.acquire()
        except BaseException:
            self._asked -= 1
            self.withdrawn += 1
            raise
        try:
            judging = asyncio.get_running_loop().run_in_executor(self._threads, self._judge, pcm)
        except RuntimeError as error:  # closed
            self._done()
            raise ProviderError("the turn model is closed", supplier=NAME) from error
        judging.add_done_callback(self._done)  # a thread is busy until then, whoever still waits
        try:
            found = await asyncio.shield(judging)
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        except RuntimeError as error:  # the model refused its input
            raise ProviderError(f"the turn model failed: {type(error).__name__}", supplier=NAME) from error
        self.answered += 1
        return found

    async def warm(self) -> None:
        """Compute as many questions at a time as ever will be; before the first question (about 0.2 s).

        What runs at a time need, onnxruntime's arena keeps for good: 33 MB of addresses, 15 MB of them
        resident, come with the first two that overlap, and as much again with the threads' own first.
        On a house of few calls that is some time in its first hours, and looks like a leak; so all of it
        is taken at the start, and no caller waits for it. The arena off, or shrunk after each run, takes
        as much or up to twice that (measured with two threads): each run's memory lies in a heap then.

        Raises:
            ProviderError: the model cannot be computed, or is closed.
        """
        together = threading.Barrier(self._at_a_time)
        silence = bytes(2 * _WINDOW_S * RATE_HZ)

        def judge() -> None:
            together.wait()
            for _ in range(_WARMING):
                self._judge(silence)

        loop = asyncio.get_running_loop()
        try:
            judging = [loop.run_in_executor(self._threads, judge) for _ in range(self._at_a_time)]
            await asyncio.gather(*judging)
        except RuntimeError as error:
            raise ProviderError(f"the turn model failed: {type(error).__name__}", supplier=NAME) from error

    def close(self) -> None:
        """Take no more questions; the threads end after those under way."""
        self._threads.shutdown(wait=False)

    def _done(self, judged: asyncio.Future[float] | None = None) -> None:
        self._asked -= 1
        self._free.release()
        if judged is not None and not judged.cancelled():
            judged.exception()  # told to whoever still waits; to nobody when nobody does

    def _judge(self, pcm: bytes) -> float:
        narrow = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2")[-_WINDOW_S * RATE_HZ :]
        wide = soxr.resample(narrow.astype(np.float32) / 32768.0, RATE_HZ, _MODEL_RATE_HZ, quality="HQ")
        audio = np.zeros(_WINDOW_S * _MODEL_RATE_HZ, dtype=np.float32)
        wide = wide[-len(audio) :]
        audio[len(audio) - len(wide) :] = wide  # silence goes before, as in training
        features = compute_whisper_log_mel_features(audio, do_normalize=True)
        return float(self._session.run(None, {"input_features": features[None]})[0][0].item())


class Questions:
    """One caller's questions to a turn model, one at a time; who is no longer waited for costs nothing."""

    def __init__(self, model: TurnModel) -> None:
        self._model = model
        self._asked: asyncio.Future[float] | None = None

    async def complete(self, pcm: bytes) -> float | None:
        """As ``TurnModel``; None: it cannot say, or the question was withdrawn. Withdraws the one before."""
        self.withdraw()
        asked = self._asked = asyncio.ensure_future(self._model.complete(pcm))
        try:
            return await asked
        except ProviderError:
            return None
        except asyncio.CancelledError:
            if (asking := asyncio.current_task()) is not None and asking.cancelling():
                raise  # the call is over, not the question
            return None

    def withdraw(self) -> None:
        """Nobody waits for the answer any more: the caller went on, or the turn has ended."""
        if self._asked is not None:
            self._asked.cancel()
