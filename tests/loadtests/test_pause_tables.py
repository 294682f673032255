"""Turn policies as tables: set by set, with what each figure rests on. All figures made up."""

from __future__ import annotations

from loadtests.reporting import pause_tables
from tests.loadtests.made_up import barge_in, environment, pauses, results, whole


def test_every_row_has_a_cell_for_every_column():
    found = pause_tables.every(whole())
    assert len(found) == 8, "two sets, each with policies, kinds, interruptions and backchannels"
    for table in found:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.columns)}, table.title
    assert pause_tables.every(results()) == []


def test_sets_are_never_in_one_table_and_the_first_comes_first():
    made = results(
        pauses=(
            *pauses("held_out"),
            *pauses(),
            *(
                p
                for name in pause_tables.SETS
                if name not in ("development", "held_out")
                for p in pauses(name)
            ),
        )
    )
    titles = [table.title for table in pause_tables.every(made)]
    assert titles == [
        f"{what}, {name}"
        for name in pause_tables.SETS.values()
        for what in ("Turn policies on labelled pauses", "Kind by kind")
    ]


def test_a_share_has_its_interval_and_what_it_rests_on():
    sheet = pause_tables.pauses(pauses(), environment(commit="1111111"))
    assert sheet.rows[0] == ("ours", "4.0 % (2.0 to 12.0)", "310", "900", "940", "100 (25)", "80", "0", "0")
    assert sheet.note == "Scored on MADE UP processor, 2 cores, commit 1111111."
    assert "not kept" in pause_tables.pauses(pauses(), None).note


def test_policies_scored_twice_are_told_apart_and_say_where():
    sheet = pause_tables.pauses((*pauses(), *pauses()), environment(commit="1111111"))
    names = [row[0] for row in sheet.rows]
    assert names[0] == "ours"
    assert names[3] == "ours (set 2)"
    assert len(set(names)) == 6
    assert sheet.note.startswith("The newest set: scored on MADE UP processor, 2 cores, commit 1111111.")


def test_kinds_say_how_many_there_were_and_nothing_where_nothing_can_be_cut():
    sheet = pause_tables.kinds(pauses())
    assert sheet.columns == ("policy", "answer (80 ends)", "thinking (100, 25)")
    assert sheet.rows[0] == ("ours", "– / 310 / 940", "4 % (2 to 12) / 310 / 940")


def test_speech_over_the_agent_is_told_apart_by_what_it_ought_to_do():
    interruptions, listening = pause_tables.barge_ins(results(barge_in=(barge_in(),)))
    assert interruptions.rows == (
        ("ours: all", "99.1 % (94.1 to 100.0)", "2", "110 / 190 / 10,000", "420 / 640 / 10,000", "220 (55)"),
        ("ours: commands", "99.1 % (94.1 to 100.0)", "2", "110 / 190 / 10,000", "420 / 640 / 10,000",
         "220 (55)"),
    )  # fmt: skip
    assert [row[0] for row in listening.rows] == ["ours: all", "ours: sounds without words"]
    assert listening.rows[0][1:] == ("1.5 % (0.3 to 7.9)", "120 of 200", "260 / 700 / 10,000", "200 (50)")


def test_a_set_without_interruptions_has_no_table_of_them():
    alone = barge_in("file").model_copy(update={"interruptions": None, "kinds": {}})
    (table,) = pause_tables.barge_ins(results(barge_in=(alone,)))
    assert table.title == "Backchannels and sounds, a set of its own"
    assert [row[0] for row in table.rows] == ["ours: all"]


def test_a_terminal_prints_the_same_tables():
    lines = pause_tables.printed(whole())
    assert sum(line.startswith("| ours ") for line in lines) == 4, "policies and kinds of two sets"
    for table in pause_tables.every(whole()):
        assert table.title in lines
        assert table.note in lines
    assert pause_tables.printed(results()) == []
