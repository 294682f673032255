"""What a process's agents are bound to before the first call: retention, suppliers, rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from controls.errors import ConfigurationError, OperatorError, Problem
from controls.ledger import records as r
from controls.retention import parse_retention
from controls.rules.engine import Rules
from controls.suppliers import Suppliers, parse_suppliers
from voice_runtime.agent import Release
from voice_runtime.house import Supplier
from voice_runtime.lines import Line
from voice_runtime.resolve import RETENTION_FILE
from voice_runtime.settings import Settings
from voice_runtime.think.endpoints import Endpoints, endpoint_of
from voice_runtime.think.judges import Judges

SUPPLIERS_FILE = Path("configs/suppliers.yaml")
STANDIN_NOTE = "rule-based stand-in, not a language model"


def taggers_of(
    root: Path, releases: Sequence[Release], lines: Sequence[Line]
) -> dict[str, Callable[[str, int], r.RetentionTag]]:
    """How long each tenant's content is kept, and where.

    Raises:
        OperatorError: one tenant's agents or lines want different things.
    """
    text = (root / RETENTION_FILE).read_text(encoding="utf-8")
    schedules = parse_retention(text, RETENTION_FILE.as_posix())
    found = {}
    for tenant in dict.fromkeys(release.tenant for release in releases):
        mine = [x for x in releases if x.tenant == tenant]
        kept = {(x.retention_schedule, tuple(sorted(x.retention_days.items()))) for x in mine}
        regions = {line.region for line in lines if line.tenant == tenant}
        if len(kept) > 1 or len(regions) > 1:
            raise OperatorError(
                f"tenant {tenant}: agents with different retention, or lines in different regions, are "
                "not supported yet: give them tenants of their own in configs/lines.yaml"
            )
        found[tenant] = schedules[mine[0].retention_schedule].tagger(regions.pop(), mine[0].retention_days)
    return found


def read_suppliers(root: Path) -> Suppliers:
    """The register of suppliers.

    Raises:
        ConfigurationError: it is missing, or not as it should be.
    """
    path = root / SUPPLIERS_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        problem = Problem(SUPPLIERS_FILE.as_posix(), 0, "", "the register cannot be read", "restore the file")
        raise ConfigurationError([problem]) from None
    return parse_suppliers(text, SUPPLIERS_FILE.as_posix())


def bound_suppliers(
    release: Release, settings: Settings, endpoints: Endpoints, suppliers: Suppliers
) -> tuple[Supplier, ...]:
    """Who serves this agent's calls: every engine of every chain, primary first.

    Raises:
        SupplierRefused: one is not in the register for that stage and region.
    """
    found = [
        Supplier("recogniser", x.name, x.model, x.region, x.outside, x.address)
        for x in settings.recogniser.engines
    ]
    for endpoint in endpoints.endpoints:
        note = STANDIN_NOTE if endpoint.name == "standin" else ""
        found.append(
            Supplier(
                "model", endpoint.name, endpoint.model, endpoint.region, endpoint.outside,
                endpoint.base_url, note,
            )
        )  # fmt: skip
    found += [
        Supplier("model", x.name, x.model, x.region, x.outside, x.address, "asked by rules, as a judge")
        for x in settings.model.judges
    ]
    found += [
        Supplier("voice", x.name, x.model, x.region, x.outside, x.address, f"as {release.voice}")
        for x in settings.voice.engines
    ]
    for supplier in found:
        suppliers.check(supplier.stage, supplier.name, supplier.region)
    return tuple(found)


def bound_judges(settings: Settings, endpoints: Endpoints, stack: AsyncExitStack) -> Judges:
    """Whom this agent's rules may ask: the profile's judges, and its models, whose clients are shared.

    Args:
        stack: closes what the judges alone have.
    """
    if not settings.model.judges:
        return Judges(endpoints)
    own = Endpoints(tuple(endpoint_of(entry) for entry in settings.model.judges))
    stack.push_async_callback(own.aclose)
    return Judges(endpoints, own)


def rules_of(release: Release) -> Rules:
    """The release's compiled rules.

    Raises:
        OperatorError: they were not compiled.
    """
    if release.rules is None:
        raise OperatorError(f"agent {release.name}: its rules were not compiled")
    return release.rules
