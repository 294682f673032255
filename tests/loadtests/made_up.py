"""MADE-UP results for tests of the report: no figure in here was ever measured anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from loadtests.compare import plan
from loadtests.pauses.figures import BargeIn, LabelledSet, OverlapFigures, PauseFigures, PausePolicy
from loadtests.ratios import ratios
from loadtests.results import (
    Achieved,
    Calibration,
    Call,
    Comparison,
    Completeness,
    Environment,
    Gap,
    Generator,
    Outcome,
    Profile,
    Resources,
    Results,
    Run,
    SystemName,
    Transport,
    Turn,
)
from loadtests.shapes import Spread
from loadtests.summary import summarise

MOCK_ENGINES = ("ear: MADE UP mock, 100 ms", "mind: MADE UP mock, 150 ms", "voice: MADE UP mock, 80 ms")
REAL_ENGINES = (
    "ear: MADE UP Whisper tiny, random weights",
    "mind: MADE UP 8B shape, random weights",
    "voice: MADE UP",
)
#: Milliseconds of first audio out a system is made to take with one call, MADE UP.
_BASE = {"ours": 620.0, "controls_off": 600.0, "equal_silence": 1150.0, "defaults": 1900.0, "remote": 1500.0}
CAP_MS = 6000.0


def environment(**changed: object) -> Environment:
    plain: dict[str, object] = {
        "cpu": "MADE UP processor",
        "cores": 2,
        "memory_gb": 7.8,
        "system": "Linux (made up)",
        "python": "3.11.7",
        "packages": {"pipecat-ai": "1.14.0"},
        "commit": "0000000",
        "generator_cores": (0,),
        "server_cores": (1,),
    }
    return Environment.model_validate({**plain, **changed})


def turn(call: int, n: int, audio: float, **changed: object) -> Turn:
    """One turn that said something; its stages add up as a trace's do."""
    token = audio - 140
    plain: dict[str, object] = {
        "call": call,
        "n": n,
        "kind": "say",
        "text": "made up",
        "asr_to_first_token_ms": token,
        "first_audio_out_ms": audio,
        "governance_ms": 4.0 + n,
        "answer_correct": True,
        "stages": {
            "endpointing": 260.0,
            "recognition": 190.0,
            "first_token": max(0.0, token - 320),
            "verdict": 2.0,
            "durable": 4.0,
            "synthesis": 82.0,
            "egress": 3.0,
            "asr_to_first_token": token - 40,
            "first_audio_out": audio - 60,
        },
    }
    return Turn.model_validate({**plain, **changed})


def turns_of(call: int, base: float, random: Random, turns: int) -> list[Turn]:
    made = [turn(call, n, base + random.gammavariate(2.0, 25.0)) for n in range(1, turns + 1)]
    made.append(
        turn(
            call,
            turns + 1,
            base,
            kind="interrupt",
            barge_in_pause_ms=170 + 40 * random.random(),
            barge_in_commit_ms=120 + 40 * random.random(),
        )
    )
    pause = 240.0 if random.random() < 0.1 else None
    made.append(
        turn(
            call,
            turns + 2,
            base,
            kind="backchannel",
            first_audio_out_ms=None,
            answer_correct=None,
            asr_to_first_token_ms=None,
            audible_pause_ms=pause,
            governance_ms=None,
            stages=None,
        )
    )
    return made


def run(
    system: SystemName = "ours",
    *,
    concurrency: int = 1,
    calls: int = 20,
    turns: int = 4,
    profile: Profile = "mock",
    transport: Transport = "twilio",
    seed: int = 1,
    slower: float = 1.0,
    refused: int = 0,
    never_answered: int = 0,
    **changed: object,
) -> Run:
    """A run of ``calls`` calls, of which some were refused; ``never_answered`` turns stand at the cap."""
    random = Random(f"{system} {concurrency} {seed} {transport} {profile}")
    base = _BASE[system] * slower
    made_calls: list[Call] = []
    made_turns: list[Turn] = []
    for n in range(calls):
        outcome: Outcome = "refused" if n < refused else "completed"
        done = outcome == "completed"
        made_calls.append(
            Call(
                n=n,
                call_sid=f"CA{n}",
                scenario="booking",
                intended_at_s=n * 0.5,
                outcome=outcome,
                error="" if done else "503",
                duration_s=15.0 if done else 0.0,
                answered_ms=12.0 if done else None,
                disclosure_first_ms=60.0 + n % 5 if done else None,
                disclosure_last_ms=5460.0 if done else None,
                gaps=(Gap(at_ms=900, ms=48),) if done and n % 9 == 4 else (),
                jitter_ms=1.5 if done else None,
                completeness=Completeness(heard=9, recorded=9) if done and system != "defaults" else None,
            )
        )
        if done:
            made_turns += turns_of(n, base, random, turns)
    for i in range(never_answered):
        made_turns[i] = made_turns[i].model_copy(
            update={
                "first_audio_out_ms": CAP_MS,
                "asr_to_first_token_ms": None,
                "censored": True,
                "answer_correct": None,
            }
        )
    counts: dict[str, int] = {}
    for call in made_calls:
        counts[call.outcome] = counts.get(call.outcome, 0) + 1
    plain: dict[str, object] = {
        "valid": True,
        "system": system,
        "profile": profile,
        "tier": "mock" if profile == "mock" else "real",
        "transport": transport,
        "engines": MOCK_ENGINES if profile == "mock" else REAL_ENGINES,
        "concurrency": concurrency,
        "achieved": Achieved(mean=0.95 * concurrency, most=concurrency, from_s=5, to_s=55),
        "offered": calls,
        "completed": counts.get("completed", 0),
        "seconds": 60.0,
        "seed": seed,
        "environment": environment(),
        "generator": Generator(cpu_percent=21.0, tick_late_p99_ms=1.2, tick_late_max_ms=3.9),
        "resources": Resources(
            cpu_ms_per_call_s=(9.0 if system == "ours" else 41.0) + random.random(),
            rss_mb_per_call=(1.2 if system == "ours" else 57.0) + random.random(),
            idle_mb=310.0,
            peak_mb=330.0,
            cpu_percent=12.0,
            loop_lag_p99_ms=1.4,
            steal_percent=0.1,
            processes=2,
        ),
        "outcomes": counts,
        "summary": summarise(made_turns, made_calls),
        "cold": turn(0, 0, base * 1.8, cold=True),
        "calls": made_calls,
        "turns": made_turns,
    }
    return Run.model_validate({**plain, **changed})


def policy(
    name: str,
    cut_off: float,
    p50: float,
    p95: float,
    never_ended: int = 0,
    labelled: LabelledSet = "development",
) -> PausePolicy:
    overall = PauseFigures(
        cut_off_percent=cut_off,
        cut_off_ci=(cut_off / 2, cut_off + 8),
        delay_p50_ms=p50,
        delay_p95_ms=p95,
        delay_max_ms=p95 + 40,
        thinking_pauses=100,
        labelled_pauses=25,
        ends=80,
        never_ended=never_ended,
    )
    answers = overall.model_copy(
        update={"cut_off_percent": None, "cut_off_ci": None, "thinking_pauses": 0, "labelled_pauses": 0}
    )
    kinds = {"answer": answers, "thinking": overall}
    return PausePolicy(policy=name, labelled=labelled, overall=overall, kinds=kinds)


def pauses(labelled: LabelledSet = "development") -> tuple[PausePolicy, ...]:
    return (
        policy("ours", 4, 310, 900, labelled=labelled),
        policy("Smart Turn alone", 9, 290, 3050, never_ended=3, labelled=labelled),
        policy("fixed silence 200 ms", 71, 200, 220, labelled=labelled),
    )


def barge_in(labelled: LabelledSet = "development") -> BargeIn:
    interruptions = OverlapFigures(
        said=220, labelled=55, silenced=219, committed=218, committed_ci=(94.1, 100),
        silent_ms=Spread(p50=110, p95=190, max=10_000, n=220, censored=1),
        commit_ms=Spread(p50=420, p95=640, max=10_000, n=220, censored=2),
    )  # fmt: skip
    listening = OverlapFigures(
        said=200, labelled=50, silenced=120, committed=3, committed_ci=(0.3, 7.9),
        audible_pause_ms=Spread(p50=260, p95=700, max=10_000, n=200, censored=3),
    )  # fmt: skip
    kinds = {"command": interruptions, "sound": listening}
    return BargeIn(
        policy="ours", labelled=labelled, interruptions=interruptions, listening=listening, kinds=kinds
    )


def results(runs: Sequence[Run] = (), **changed: object) -> Results:
    plain: dict[str, object] = {
        "command": "python -m loadtests run --profile mock --calls 5   # MADE UP, for tests",
        "started_at": "2026-11-21T12:00:00+00:00",
        "network_allowance_ms": 150.0,
        "agent": "healthcare",
        "objectives": {
            "asr_to_first_token_p95_ms": 800, "first_audio_out_p95_ms": 1300,
            "disclosure_played_in_full_percent": 99,
        },
        "calibrations": (
            Calibration(
                delay_ms=300, bias_ms=40, error_p50_ms=0.8, error_p95_ms=2.5, error_max_ms=3.6, n=200
            ),
        ),
        "runs": tuple(runs),
        "notes": ("MADE UP: not one figure here was measured.",),
    }  # fmt: skip
    return Results.model_validate({**plain, **changed})


def whole() -> Results:
    """Something of everything: a ramp, a comparison in blocks, real engines, pauses."""
    ramp = [
        run(concurrency=n, calls=max(60, 4 * n), slower=1.0 + (n / 24) ** 3, seed=n,
            refused=6 if n == 32 else 0, never_answered=3 if n >= 16 else 0)
        for n in (2, 4, 8, 16, 32)
    ]  # fmt: skip
    systems: tuple[SystemName, ...] = ("ours", "defaults", "equal_silence", "controls_off")
    blocks = [
        run(system, concurrency=8, calls=25, block=block, seed=100 + block)
        for block, system in enumerate((*systems, *reversed(systems)))
    ]
    browser = [run(concurrency=n, calls=30, transport="webrtc", seed=n, slower=1.1) for n in (1, 4)]
    late = run(
        concurrency=8,
        calls=60,
        transport="webrtc",
        valid=False,
        invalid_because=("the generator's tick was late by 7.9 ms at p99; 5 ms is the limit",),
    )
    real = [
        run(concurrency=n, calls=60, profile="cpu-whisper", slower=1.1 + 0.5 * n, seed=n) for n in (1, 2, 4)
    ]
    ours = [r for r in blocks if r.system == "ours"]
    rows = ratios(ours, [r for r in blocks if r.system != "ours"], draws=200)
    return results(
        [*ramp, *blocks, *browser, late, *real],
        comparison=Comparison(
            valid=True, blocks=plan(["defaults", "equal_silence", "controls_off"], [4]), rows=rows
        ),
        pauses=(*pauses(), *pauses("held_out")),
        barge_in=(barge_in(), barge_in("held_out")),
    )  # fmt: skip
