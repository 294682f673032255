"""The container: any zip program reads it, and no byte of it can change unseen."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.evidence import container
from controls.evidence.container import read_foreign_zip, read_zip, write_zip

FILES = {
    "index.html": b"<p>hello</p>",
    "leaves/12.json": b"{}",
    "empty": b"",
    "proofs/12.tlog-proof": b"\x00PK\x03\x04",
}

names = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9_.-]{0,5}[a-z]){0,2}", fullmatch=True).filter(
    lambda n: all(p[0] not in ".-" for p in n.split("/"))
)


def test_any_zip_program_reads_it():
    data = write_zip(FILES)
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        assert found.namelist() == sorted(FILES)
        assert {n: found.read(n) for n in found.namelist()} == FILES
        assert {i.compress_type for i in found.infolist()} == {zipfile.ZIP_STORED}
        assert {i.date_time for i in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@settings(deadline=None)
@given(st.dictionaries(names, st.binary(max_size=40), max_size=6))
def test_what_is_written_is_read_and_the_order_of_writing_does_not_matter(files: dict[str, bytes]):
    data = write_zip(files)
    assert read_zip(data) == files
    assert write_zip(dict(reversed(files.items()))) == data


def test_every_single_bit_is_covered_or_changes_the_content():
    data = write_zip(FILES)
    unseen = []
    for at in range(len(data)):
        for bit in range(8):
            changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            try:
                unseen += [(at, bit)] if read_zip(changed) else []
            except IntegrityError:
                continue
    assert unseen == []


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_what_is_cut_off_added_or_nonsense_is_refused(extra: bytes, cut: int):
    data = write_zip(FILES)
    for damaged in (
        data[:-1],
        data + b"\x00",
        extra + data if extra else b"x",
        data[: cut % len(data)],
        extra,
    ):
        with pytest.raises(IntegrityError):
            read_zip(damaged)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../up",
        "a/../b",
        "a//b",
        ".hidden",
        "a\\b",
        "C:x",
        "a\x00b",
        "a\n",
        "é",
        "a/",
        "x" * 121,
    ],
)
def test_names_that_reach_elsewhere_are_neither_written_nor_read(name: str):
    with pytest.raises(ValueError):
        write_zip({name: b""})
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(zipfile.ZipInfo(name), b"")
    with pytest.raises(IntegrityError):
        read_zip(made.getvalue())
    if name not in (
        "a/",
        "a\x00b",
    ):  # a folder, which holds nothing; a name that zipfile itself writes as "a"
        with pytest.raises(IntegrityError):
            read_foreign_zip(made.getvalue())


def test_names_that_a_file_system_may_take_for_one_are_refused():
    with pytest.raises(ValueError):
        write_zip({"a": b"1", "A": b"2"})


def test_another_programs_zip_of_the_same_files_is_refused():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in FILES.items():
            file.writestr(name, data)
    with pytest.raises(IntegrityError, match="changed"):
        read_zip(made.getvalue())


def zipped(files: list[tuple[str, bytes]], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as file:
        for name, data in files:
            file.writestr(name, data)
    return made.getvalue()


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_another_programs_zip_is_read_to_say_what_differs(how: int):
    found = read_foreign_zip(zipped([("leaves/", b""), *FILES.items()], how))
    assert found.files == FILES and found.damaged == []


def test_a_file_with_another_check_sum_is_named():
    data = write_zip(FILES)
    changed = data.replace(b"hello", b"hallo")
    found = read_foreign_zip(changed)
    assert found.damaged == ["index.html"] and found.files["index.html"] == b"<p>hallo</p>"
    packed = bytearray(zipped([("a", b"some words " * 40)]))
    packed[31] ^= 0xFF  # its first byte behind header and name
    assert read_foreign_zip(bytes(packed)).damaged == ["a"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_is_not_safely_read_is_refused(monkeypatch: pytest.MonkeyPatch):
    for twice in ([("a", b"1"), ("a", b"2")], [("a", b"1"), ("A", b"2")]):
        with pytest.raises(IntegrityError, match="two files"):
            read_foreign_zip(zipped(twice))
    with pytest.raises(IntegrityError, match="compressed"):
        read_foreign_zip(zipped([("a", b"1")], zipfile.ZIP_LZMA))
    monkeypatch.setattr(container, "MAX_BYTES", 1000)
    with pytest.raises(IntegrityError, match="too large"):
        read_foreign_zip(zipped([("a", bytes(600)), ("b", bytes(600))]))
    monkeypatch.setattr(container, "MAX_FILES", 1)
    with pytest.raises(IntegrityError, match="too large"):
        read_foreign_zip(zipped([("a", b""), ("b", b"")]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 20), st.integers(0, 255), st.integers(0, 40))
def test_a_damaged_foreign_zip_is_refused_or_read_and_never_raises_otherwise(at: int, byte: int, cut: int):
    data = bytearray(zipped([*FILES.items()]))
    data[at % len(data)] = byte
    try:
        found = read_foreign_zip(bytes(data[: len(data) - cut]))
    except IntegrityError:
        return
    assert all(isinstance(content, bytes) for content in found.files.values())


def test_there_is_an_end_to_what_is_taken(monkeypatch: pytest.MonkeyPatch):
    data = write_zip(FILES)
    monkeypatch.setattr(container, "MAX_FILES", 3)
    with pytest.raises(ValueError):
        write_zip(FILES)
    with pytest.raises(IntegrityError):
        read_zip(data)
    monkeypatch.undo()
    monkeypatch.setattr(container, "MAX_BYTES", 10)
    monkeypatch.setattr(container, "MAX_CONTAINER", 20)
    with pytest.raises(ValueError):
        write_zip(FILES)
    with pytest.raises(IntegrityError, match="too large"):
        read_zip(data)
