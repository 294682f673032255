"""Conventions of the house as tests: names, floors, first lines, lengths, the lock, and no addresses."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("controls", "voice_runtime", "loadtests")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: Long on purpose, and why.
MAY_BE_LONG = {"controls/ledger/records.py": "*the* list of record types: one place to look"}
LONGEST = 450

#: A name made of these says nothing about the thing.
EMPTY_WORDS = {
    "util",
    "utils",
    "manager",
    "managers",
    "helper",
    "helpers",
    "handler",
    "handlers",
    "misc",
    "core",
}
#: A module's docstring, to the end of its first line; told without parsing six hundred modules.
FIRST_LINE = re.compile(r'(?:#.*\n)*[rR]?"""(.*?)(?:"""|\n)')
#: Words of the house that mean one thing: a pattern on names, and what it is for instead.
RESERVED = {
    r"\bhold\b": "a hold is a legal hold; an action that waits for a person is an approval",
    r"\bheard\b": "what was played is called played; nobody knows what was heard",
}


def python_files(*folders: str) -> list[Path]:
    found = [p for folder in folders for p in (ROOT / folder).rglob("*.py")]
    return sorted(p for p in found if p.read_text().strip())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def names_defined(path: Path) -> Iterator[tuple[int, str]]:
    """Names of the module, its classes and functions, with their lines."""
    yield 1, path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def words(name: str) -> list[str]:
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def committed_files() -> list[Path]:
    """What is, or would be, committed; every file when this is no checkout."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listing.stdout.decode().split("\0")[:-1] if listing.returncode == 0 else []
    if not names:
        folders = [*SOURCES, "tests", "docs", "agents", "configs"]
        names = [relative(p) for f in folders for p in (ROOT / f).rglob("*") if "__pycache__" not in p.parts]
    return [ROOT / n for n in names if (ROOT / n).is_file()]


def test_floors_and_rooms_import_only_downwards():
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_modules_say_in_their_first_line_what_they_are_for():
    bad = []
    for path in python_files(*SOURCES, "tests"):
        first = FIRST_LINE.match(path.read_text())
        if first is None or len(first[1].split()) < 3:
            bad.append(relative(path))
    assert not bad, f"no first line that says what the module is for: {bad}"


def test_modules_stay_short_enough_to_read():
    long = {
        relative(p): n
        for p in python_files(*SOURCES, "tests")
        if (n := len(p.read_text().splitlines())) > LONGEST
    }
    assert not (set(long) - set(MAY_BE_LONG)), f"over {LONGEST} lines, a seam wants to be found: {long}"


def test_names_say_something_and_words_keep_their_meaning():
    bad = []
    for path in python_files(*SOURCES):
        for line, name in names_defined(path):
            found = words(name)
            bad += [f"{relative(path)}:{line} {name}" for w in found if w in EMPTY_WORDS]
            spaced = " ".join(found)
            for pattern, meaning in RESERVED.items():
                if re.search(pattern, spaced) and "legal hold" not in spaced:
                    bad.append(f"{relative(path)}:{line} {name}: {meaning}")
    assert not bad, "\n".join(bad)


def test_only_the_voice_process_touches_the_gpl_extra():
    users = [
        relative(path)
        for path in python_files(*SOURCES)
        if "espeakng" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and any("espeakng" in n for n in [getattr(node, "module", None) or "", *(a.name for a in node.names)])
    ]
    assert all(Path(u).stem.startswith("espeak") for u in users), users


def test_lint_exceptions_carry_their_reason():
    bad = []
    for path in python_files(*SOURCES, "tests"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"#\s*noqa(?!: [A-Z0-9, ]+ +(-|#) \S)", line) and path != Path(__file__):
                bad.append(f"{relative(path)}:{number}")
    assert not bad, f"write `noqa: CODE - why`: {bad}"


def test_no_test_is_switched_off():
    """A test may be skipped for what is missing here (a failure under REQUIRE_ALL=1), never for good."""
    pattern = re.compile(r"pytest\.xfail\(|mark\.(skip|xfail)\b")
    bad = [
        relative(p) for p in python_files("tests") if p != Path(__file__) and pattern.search(p.read_text())
    ]
    assert not bad, bad


@pytest.mark.parametrize("folder", SOURCES)
def test_tests_mirror_the_source(folder: str):
    mirrored = [
        p for p in (ROOT / "tests" / folder).rglob("test_*.py") if p.parent != ROOT / "tests" / folder
    ]
    lost = [relative(p) for p in mirrored if not (ROOT / p.parent.relative_to(ROOT / "tests")).is_dir()]
    assert not lost, lost


# What no file may name. Written in pieces, so that this file does not name it either.
_INDEX = r"://[a-z0-9.-]+/(" + "simple|packages" + ")/|python" + "hosted|py" + r"pi\.org|npm" + "js"
_PATHS = r"(^|[^A-Za-z0-9_.])/(" + "|".join(("work", "farm", "root", "home/[a-z]+")) + ")/"


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    bad = []
    for path in committed_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            if re.search(_INDEX, line) or re.search(_PATHS, line):
                bad.append(f"{relative(path)}:{number}")
    assert not bad, bad
    assert not (ROOT / "uv.lock").exists(), "uv.lock carries download addresses; requirements.lock does not"


def pins() -> dict[str, set[Version]]:
    found: dict[str, set[Version]] = {}
    for name, version in re.findall(r"(?m)^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock()):
        found.setdefault(canonicalize_name(name), set()).add(Version(version))
    return found


def lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def requirements() -> list[Requirement]:
    extras = [r for group in PROJECT["optional-dependencies"].values() for r in group]
    return [Requirement(r) for r in [*PROJECT["dependencies"], *extras]]


def test_the_lock_names_no_address():
    body = [line for line in lock().splitlines() if not line.lstrip().startswith("#")]
    assert not [x for x in body if "://" in x or re.match(r"\s*(--(?!hash=)|-[a-z] )", x)]


def test_the_lock_hashes_every_pin():
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", lock())
    bare = [e.split()[0] for e in entries if "==" in e.split("\n", 1)[0] and "--hash=sha256:" not in e]
    assert not bare
    assert len(pins()) > 50


def test_the_lock_satisfies_pyproject():
    missing = [
        str(r)
        for r in requirements()
        if not any(
            r.specifier.contains(v, prereleases=True) for v in pins().get(canonicalize_name(r.name), ())
        )
    ]
    assert not missing, f"run make lock: {missing}"


def test_every_dependency_is_named_with_its_licence():
    page = (ROOT / "THIRD_PARTY.md").read_text().lower()
    missing = [r.name for r in requirements() if r.name.lower() not in page]
    assert not missing, f"THIRD_PARTY.md lacks {missing}"


def test_decisions_are_numbered_without_gap():
    numbers = [int(p.name[:4]) for p in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_makefile_explains_its_targets():
    targets = re.findall(r"(?m)^([a-z.][a-z.-]*):(?!=)(.*)$", (ROOT / "Makefile").read_text())
    assert {"demo", "test", "check", ".venv", "system-deps"} <= {name for name, _ in targets}
    assert not [name for name, rest in targets if "##" not in rest]
