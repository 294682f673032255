"""The page's pure parts, run in the browser: messages, texts, the network's verdict."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page

from tests.page.conftest import LIVES_ON, OpenPage

pytestmark = [pytest.mark.anyio, LIVES_ON]

#: Imports a module of the page and calls a function with it and an argument.
IMPORTED = """async ([name, argument]) => {
    const main = document.querySelector("script[type=module]").src;
    const module = await import(new URL(name, main));
    return (%s)(module, argument);
}"""


async def with_module(page: Page, name: str, use: str, argument: Any = None) -> Any:
    return await page.evaluate(IMPORTED % use, [name, argument])


async def test_both_languages_have_every_text_with_the_same_blanks(open_page: OpenPage):
    texts = await with_module(await open_page(), "strings.js", "(m) => m.TEXTS")
    assert texts["en"].keys() == texts["es"].keys()
    for key, english in texts["en"].items():
        blanks = [part.split("}")[0] for part in english.split("{")[1:]]
        assert blanks == [part.split("}")[0] for part in texts["es"][key].split("{")[1:]], key
        assert english.strip() and texts["es"][key].strip()


async def test_a_text_that_does_not_exist_is_an_error(open_page: OpenPage):
    use = (
        """(m) => { try { return m.translator("en-US")("constructor"); } catch (e) { return e.message; } }"""
    )
    assert await with_module(await open_page(), "strings.js", use) == "no text named constructor"


async def test_the_page_falls_back_to_english(open_page: OpenPage):
    use = '(m) => ["en-US", "es-US", "ES", "fr-FR"].map(m.pageLanguage)'
    assert await with_module(await open_page(), "strings.js", use) == ["en", "es", "es", "en"]


async def test_the_visitors_language_is_found(open_page: OpenPage):
    cases = [
        (["en-US", "es-US"], ["es-MX", "en-US"], "es-US"),
        (["en-US", "es-US"], ["fr-FR", "de-DE"], "en-US"),
        (["en-GB", "en-US"], ["en-us"], "en-US"),
        (["es-US"], [], "es-US"),
    ]
    use = "(m, cases) => cases.map(([offered, wanted]) => m.preferred(offered, wanted))"
    assert await with_module(await open_page(), "strings.js", use, cases) == [c[2] for c in cases]


async def test_only_listed_messages_with_their_fields_are_taken(open_page: OpenPage):
    good = [
        '{"type": "opened", "call": "c_1", "language": "en-US"}',
        '{"type": "caption", "who": "caller", "id": "1", "text": "", "state": "cut"}',
        '{"type": "receipt", "code": "7K2-M9Q-X4R"}',
        '{"type": "state", "agent": "thinking"}',
        '{"type": "state", "agent": "speaking", "until": null}',
        '{"type": "state", "agent": "listening", "until": 4294967295}',
        '{"type": "pong"}',
        '{"type": "closed", "reason": "ended"}',
    ]
    bad = [
        "",
        "[]",
        "7",
        '"pong"',
        "{}",
        '{"type": "toString"}',
        '{"type": "ping"}',
        '{"type": "opened", "call": "c_1"}',
        '{"type": "closed", "reason": null}',
        '{"type": "receipt"}',
        '{"type": "receipt", "code": "<b>7K2</b>"}',
        '{"type": "caption", "who": "agent", "id": 1, "text": "", "state": "begin"}',
        '{"type": "closed", "reason": "' + "x" * 4096 + '"}',
    ]
    use = "(m, texts) => texts.map((text) => m.parse(text) !== null)"
    page = await open_page()
    assert await with_module(page, "channel.js", use, good) == [True] * len(good)
    assert await with_module(page, "channel.js", use, bad) == [False] * len(bad)
    assert await with_module(page, "channel.js", "(m) => m.parse(new ArrayBuffer(4))") is None


def look(**of: float) -> dict[str, float]:
    """What changes from one look at the network to the next, per 100 packets received."""
    return {"lost": 0, "jitter_s": 0.01, "rtt_s": 0.05, "sent_loss": 0, "concealed": 0} | of


CLEAN, LOSSY = look(), look(lost=6)
VERDICTS = """(m, looks) => {
    const quality = new m.Quality();
    const sum = { received: 0, lost: 0, samples: 0, concealed: 0 };
    quality.add({ ...sum });
    return looks.map((look) => {
        sum.received += 100; sum.samples += 96000; sum.lost += look.lost; sum.concealed += look.concealed;
        return quality.add({ ...look, ...sum });
    });
}"""


async def test_the_networks_verdict_is_patient_both_ways(open_page: OpenPage):
    cases = [
        ([CLEAN] * 3, "ggg"),
        ([LOSSY, CLEAN, LOSSY, CLEAN], "gggg"),  # one bad look is no verdict
        ([LOSSY, LOSSY, CLEAN, CLEAN], "gwwg"),
        ([LOSSY, LOSSY, CLEAN, LOSSY, CLEAN, CLEAN], "gwwwwg"),
        ([look(sent_loss=0.05)] * 2, "gw"),
        ([look(rtt_s=0.5)] * 2, "gw"),
        ([look(jitter_s=0.09)] * 2, "gw"),
        ([look(concealed=9600)] * 2, "gw"),
        ([LOSSY, LOSSY] + [look(lost=2)] * 4, "gwwwww"),  # between the two limits nothing changes
        ([look(lost=2)] * 4, "gggg"),
        ([look(lost=-3)] * 2, "gg"),  # late packets are counted back
    ]
    page = await open_page()
    for looks, verdicts in cases:
        found = await with_module(page, "network.js", VERDICTS, looks)
        assert "".join(v[0] for v in found) == verdicts, looks


async def test_a_browser_that_tells_nothing_of_the_network_is_called_good(open_page: OpenPage):
    use = "(m) => { const q = new m.Quality(); return [{}, {}, {}].map((r) => q.add(r)); }"
    assert await with_module(await open_page(), "network.js", use) == ["good"] * 3
