"""Plain lines on standard error: what begins, what is over, and how much of it did not go well."""

from __future__ import annotations

import pytest

from loadtests.progress import Bars, Lines, Quiet


def test_lines_tell_the_beginning_and_the_end(capsys: pytest.CaptureFixture[str]):
    with Lines() as shown:
        shown.say("starting")
        shown.begin("ours twilio 2 at once", 2)
        shown.call("completed")
        shown.call("refused")
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line.split(" s  ")[1] for line in err.splitlines()]
    assert lines == [
        "starting",
        "ours twilio 2 at once: 2 calls",
        "ours twilio 2 at once: 2/2 calls over, 1 not completed",
    ]


def test_bars_and_silence_take_the_same_news(capsys: pytest.CaptureFixture[str]):
    for shown in (Bars(), Quiet()):
        with shown:
            shown.call("completed")  # before anything began
            shown.say("[starting]")
            shown.begin("ours", 1)
            shown.call("refused")
    out, err = capsys.readouterr()
    assert out == ""
    assert "[starting]" in err
