"""Keys behind an entry of figures are the rest of it, until # or a pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controls.keys_after import REST_S, KeysAfter


def pressed(after: KeysAfter, *keys: tuple[str, float]) -> list[bool]:
    taken = []
    for key, at_s in keys:
        after, belongs = after.key(key, at_s)
        taken.append(belongs)
    return taken


def test_without_an_entry_every_key_counts() -> None:
    assert pressed(KeysAfter(), ("1", 0.0), ("#", 1.0), ("2", 2.0)) == [False] * 3


def test_the_rest_of_an_entry_ends_with_hash() -> None:
    after = KeysAfter().ended(10.0)
    assert pressed(after, ("4", 11.0), ("1", 12.0), ("#", 13.0), ("1", 13.1)) == [True, True, True, False]


def test_the_rest_of_an_entry_ends_with_a_pause() -> None:
    after = KeysAfter().ended(10.0)
    assert pressed(after, ("4", 13.9), ("1", 17.8), ("1", 21.9)) == [True, True, False]


def test_what_tells_the_caller_of_the_end_puts_the_pause_off_and_brings_it_not_back() -> None:
    after = KeysAfter().ended(10.0)
    assert pressed(after.told(12.0), ("1", 15.9)) == [True]
    assert pressed(after.told(14.0), ("1", 14.1)) == [False]


@given(
    st.lists(
        st.tuples(st.sampled_from("0123456789*#"), st.floats(0.01, 2 * REST_S, allow_nan=False)), max_size=30
    )
)
def test_a_key_counts_only_behind_a_hash_or_a_pause(keys: list[tuple[str, float]]) -> None:
    after, now, free = KeysAfter().ended(100.0), 100.0, False
    for key, pause in keys:
        now += pause
        free = free or pause >= REST_S + 1e-6
        after, belongs = after.key(key, now)
        if not belongs:
            assert free or pause >= REST_S - 1e-6
            free = True
        else:
            assert not free
        free = free or key == "#"
