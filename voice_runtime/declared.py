"""In which of an agent's releases its limits count as declared: the one later releases are held against.

1. The newest one that is on record as approved.
2. Where none is: the agent as it comes with Sayso, if it does (``controls.floor``).
3. Else the first that was served, outside demo and development, where releases are only tried out.

A release's words are not on record, its digest is; ``voice_runtime.release_archive`` keeps what it is of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controls.decision import Recorder
from controls.errors import IntegrityError, OperatorError
from controls.floor import Weaker, shipped
from controls.floor_release import release_floor, weaker_release
from controls.ledger import records as r
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.reader import Reader
from voice_runtime.agent import Release
from voice_runtime.floor import resolved
from voice_runtime.receipts import receipt_in_time
from voice_runtime.release_archive import archived_release
from voice_runtime.settings import Settings

_DURABLE_S = 10.0
#: Where nothing is deployed, so that nothing that is served declares anything.
TRYING_OUT = frozenset((r.Environment.DEMO, r.Environment.DEVELOPMENT))


@dataclass(frozen=True, slots=True)
class Declared:
    """What was read from a record and its archive.

    Attributes:
        served: digests that are on record as served.
        releases: (tenant, agent) → the release later ones are held against, resolved.
        approved: those among them that were approved.
        lost: tenant → digests that are on record, and whose bytes nobody has any more.
    """

    served: frozenset[str] = frozenset()
    releases: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    approved: frozenset[tuple[str, str]] = frozenset()
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def weaker(self, release: Release) -> Iterator[Weaker]:
        """What a release lets happen that was not declared."""
        mine = (release.tenant, release.name)
        for digest in self.lost.get(release.tenant, ()):
            what = f"{digest[:19]}… is on record and no longer archived: nobody can tell what it allowed"
            yield Weaker("tool_limits", "releases", what)
        before = self.releases.get(mine)
        if before is not None and (mine in self.approved or not shipped().has_agent(release.name)):
            yield from weaker_release(release.name, release_floor(before), release_floor(resolved(release)))
        else:
            yield from shipped().agent(release.name, resolved(release)) or ()


def read_declared(root: Path, data_dir: Path) -> Declared:
    """Read what was declared. Blocks while files are read.

    Args:
        root: the ledger's directory.

    Raises:
        SayError: the record cannot be read.
    """
    told: list[tuple[int, int, bool, str, str]] = []  # at, leaf, approved, tenant, digest
    with Reader.open(root) as reader:
        for view in reader.views():
            for row in view.rows_of(r.ReleaseServed.type, r.ReleaseApproved.type):
                record = read_leaf(parse_envelope(row.envelope).payload).record
                if isinstance(record, r.ReleaseServed | r.ReleaseApproved):
                    approved = isinstance(record, r.ReleaseApproved)
                    told.append((record.at, row.leaf, approved, record.tenant, record.release))
    releases: dict[tuple[str, str], Mapping[str, Any]] = {}
    ok: set[tuple[str, str]] = set()
    lost: dict[str, dict[str, None]] = {}
    for *_, approved, tenant, digest in sorted(told):
        found = _archived(data_dir, digest)
        if found is None:
            lost.setdefault(tenant, {})[digest] = None
            continue
        key = (tenant, str(found.get("name")))
        if approved:  # the newest counts
            releases[key] = found
            ok.add(key)
        elif key not in releases:
            releases[key] = found
    served = frozenset(digest for *_, approved, _, digest in told if not approved)
    return Declared(served, releases, frozenset(ok), {k: tuple(v) for k, v in lost.items()})


def _archived(data_dir: Path, digest: str) -> Mapping[str, Any] | None:
    try:
        found = archived_release(data_dir, digest)
        return None if found is None else dict(json.loads(found))
    except (IntegrityError, OperatorError, ValueError):
        return None


async def record_served(
    settings: Settings, recorder: Recorder, releases: Sequence[Release], declared: Declared
) -> None:
    """Put on record what is served for the first time; returns once that is durable.

    Raises:
        SayError: it cannot be written in time: no call may be taken.
    """
    if settings.environment in TRYING_OUT:
        return
    for release in releases:
        if release.digest not in declared.served:
            record = r.ReleaseServed(tenant=release.tenant, release=release.digest)
            await receipt_in_time(recorder.append(record), _DURABLE_S)
