"""What of a configuration is weaker than it comes: read from a project's files, in words and by tenant.

``python -m voice_runtime.floor`` makes ``controls/floor.json`` of the files of this checkout; whoever
ships a build runs it, and a test holds the file to them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from controls.errors import ConfigurationError
from controls.floor import FILE, Floor, Shipped, Weaker, floor_of, shipped
from controls.intent_file import IntentFile
from controls.must_say import MustSay
from controls.quick_yaml import quickly
from controls.redaction.file import Redaction
from controls.risk_file import RiskFile, parse_risk
from controls.rules.pack_files import load_packs, pack_names
from controls.soa import SoaFile
from voice_runtime.agent import Release
from voice_runtime.agent_folder import RULES_FOLDER, read_must_say, read_redaction
from voice_runtime.lines import known_agents
from voice_runtime.resolve import load_release
from voice_runtime.risk_limits import DEFAULT_LIMITS, RISK_FILE
from voice_runtime.settings import Settings, load_settings
from voice_runtime.yaml_file import read_text

INTENTS_FILE = RULES_FOLDER / "intents.yaml"
SOA_FILE = Path("configs/soa.yaml")
#: The profile under which the agents that come with Sayso are resolved.
_PROFILE = "configs/profiles/offline.yaml"


def weaker_house(root: Path) -> list[Weaker]:
    """What is weaker for every agent alike. Blocks while files are read.

    Raises:
        ConfigurationError: a file cannot be used.
    """
    strength = shipped()
    redaction = Redaction(read_redaction(root))
    folder = root / RULES_FOLDER
    there = set(pack_names(folder))
    emergencies = load_packs(folder, [name for name in strength.emergencies if name in there])
    return [
        *strength.redaction(redaction.types, redaction.regions),
        *strength.risk(_risk(root)),
        *strength.emergency_packs(emergencies),
        *strength.intents(read_intents(root)),
        *strength.must_say(_must_say(root)),
        *strength.soa(read_soa(root)),
    ]


def weaker_agent(release: Release) -> list[Weaker]:
    """What is weaker in one release than it comes, whatever it was declared to be."""
    strength, place = shipped(), f"agents/{release.name}"
    found: list[Weaker] = []
    if release.risk is not None:
        found += strength.limits(release.risk.limits, place)
    if release.rules is not None:
        found += strength.packs(pack for pack in release.rules.packs if pack.kind != "emergency")
    found += [Weaker("rules", place, f"goes without the pack {pack}") for pack in release.left_out]
    return found


def resolved(release: Release) -> Mapping[str, object]:
    """The bytes of a release's digest as values."""
    return dict(json.loads(release.resolved))


def read_intents(root: Path) -> IntentFile | None:
    """The words of intents, or None where they cannot be read; what is wrong with them is told elsewhere."""
    try:
        return IntentFile.model_validate(quickly((root / INTENTS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _must_say(root: Path) -> MustSay | None:
    """What fixed phrases must say, or None where it cannot be read; why is told elsewhere."""
    try:
        return read_must_say(root)
    except ConfigurationError:
        return None


def read_soa(root: Path) -> SoaFile:
    """What the operator decides about Annex A, as far as it can be read: else as it comes."""
    try:
        return SoaFile.model_validate(quickly((root / SOA_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return SoaFile(format=1)


def _risk(root: Path) -> RiskFile:
    return parse_risk(read_text(root / RISK_FILE, root), RISK_FILE.as_posix())


def make(root: Path) -> Floor:
    """The floor of a checkout's own files.

    Raises:
        ConfigurationError: they cannot be used.
    """
    settings = load_settings(root / _PROFILE, environ={}, root=root)
    folder = root / RULES_FOLDER
    intents = read_intents(root)
    assert intents is not None
    releases = _releases(root, settings)
    return floor_of(
        Shipped(
            redaction=Redaction(read_redaction(root)), risk=_risk(root), limits=DEFAULT_LIMITS.limits(),
            packs=load_packs(folder, pack_names(folder)), intents=intents,
            must_say=read_must_say(root), soa=read_soa(root),
            releases={release.name: resolved(release) for release in releases},
        )
    )  # fmt: skip


def _releases(root: Path, settings: Settings) -> Iterator[Release]:
    for name in known_agents(root):
        yield load_release(root, name, settings)


def text(floor: Floor) -> str:
    """As the file holds it."""
    return json.dumps(floor.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def main(arguments: Iterable[str] = ()) -> int:
    """Write the file; with ``--check``, only say whether it is as it would be written."""
    made = text(make(Path.cwd()))
    if "--check" in set(arguments):
        return 0 if FILE.read_text(encoding="utf-8") == made else 1
    FILE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
