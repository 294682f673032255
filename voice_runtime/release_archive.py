"""The resolved releases that ever took calls, and their rules, by digest.

``<data_dir>/releases/<hex>.json`` holds ``Release.resolved``, whose SHA-256 is the
release's digest: what an audit packet shows the digest to be of. ``<data_dir>/rules/<hex>.json``
holds the packs that a release names by theirs: what ``sayso rules explain`` judges a clause by again;
``<data_dir>/intents/<hex>.json`` the lists of what callers ask of the runtime itself.
Written once when a server starts, never changed, never removed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from controls.errors import IntegrityError, OperatorError
from voice_runtime.agent import Release

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})\Z")
#: Largest file read, in bytes.
_LARGEST = 16 * 1024 * 1024


def archive_releases(data_dir: Path, releases: Iterable[Release]) -> None:
    """Keep each release's bytes and those of its rules, durably. Blocks for some file syncs.

    Raises:
        OperatorError: they cannot be written.
    """
    releases = list(releases)
    rules = {r.rules.digest: r.rules.canonical for r in releases if r.rules is not None}
    intents = {r.intents.digest: r.intents.canonical for r in releases if r.intents is not None}
    _archive(data_dir / "releases", {r.digest: r.resolved for r in releases})
    _archive(data_dir / "rules", rules)
    _archive(data_dir / "intents", intents)


def archived_release(data_dir: Path, digest: str) -> bytes | None:
    """The bytes of a release, or None when it was never archived here.

    Raises:
        IntegrityError: what lies there is not of this digest.
        OperatorError: it cannot be read.
    """
    return _archived(data_dir / "releases", digest, "release")


def archived_rules(data_dir: Path, digest: str) -> bytes | None:
    """The packs of a release as canonical JSON (RFC 8785), or None when they were never archived here.

    Raises:
        IntegrityError: what lies there is not of this digest.
        OperatorError: it cannot be read.
    """
    return _archived(data_dir / "rules", digest, "rules")


def _archive(folder: Path, contents: Mapping[str, bytes]) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for digest, content in contents.items():
            _keep(folder / _name(digest), content)
        _sync(folder)
    except OSError as error:
        raise OperatorError(f"{folder}: {folder.name} cannot be archived ({error.strerror})") from None


def _archived(folder: Path, digest: str, what: str) -> bytes | None:
    path = folder / _name(digest)
    try:
        with path.open("rb") as file:
            found = file.read(_LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    if "sha256:" + hashlib.sha256(found).hexdigest() != digest:
        raise IntegrityError(f"{path} is not the {what} its name says; restore it from a back-up")
    return found


def _name(digest: str) -> str:
    found = _DIGEST.match(digest)
    if found is None:
        raise OperatorError("not a digest (sha256:…)")
    return f"{found[1]}.json"


def _keep(path: Path, data: bytes) -> None:
    """Write a file whose name is its content's digest, unless it is there, whole."""
    if path.exists() and path.read_bytes() == data:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    partial.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
