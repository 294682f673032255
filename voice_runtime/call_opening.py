"""Opening a call: what it is bound to is on record, durably, before it is answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from controls.errors import LedgerError, SayError
from controls.ids import new_id
from controls.ledger import records as r
from voice_runtime.call import Call
from voice_runtime.house import Agent, Facts, House
from voice_runtime.inline.opening import opted_out


async def open_call(agent: Agent, house: House, facts: Facts, call: str = "") -> Call:
    """Write down what a call is bound to, and wait until that is durable.

    Args:
        call: its id, made when the carrier's webhook came; a new one when "".

    Raises:
        LedgerError: it could not be made durable in time; the call must not be answered.
    """
    release = agent.release
    facts = replace(facts, opted_out=await opted_out(house.opt_outs, facts.tenant, facts.caller))
    made = Call(call or new_id("c"), facts, agent, house)
    journal = made.journal
    try:
        journal.append(
            r.CallOpened(
                tenant=facts.tenant, call=made.id, release=release.digest, environment=house.environment,
                approved=False, ingress=facts.ingress, region=facts.region, language=made.language,
                checkpoint=facts.checkpoint,
            ),
            r.CallDetails(
                caller=facts.caller, called=facts.called, agent=release.name, line=facts.line,
                operator_of_record=release.operator_of_record, carrier_call=facts.carrier_call,
                opened_at=datetime.now(UTC).isoformat(),
            ),
        )  # fmt: skip
        for supplier in agent.suppliers:
            journal.append(
                r.SupplierBound(
                    tenant=facts.tenant, call=made.id, stage=supplier.stage, supplier=supplier.name,
                    region=supplier.region, outside=supplier.outside,
                ),
                r.SupplierDetails(model=supplier.model, address=supplier.address, note=supplier.note),
            )  # fmt: skip
        spoken = {p: {made.language: w[made.language]} for p, w in agent.said.items() if made.language in w}
        bound = made.gate.bind(release.digest, spoken, made.redaction.version("record"))
        if facts.opted_out is None:
            journal.control_failed("disclosure", "disk")
        await journal.durable(bound, house.first_records_s)
    except BaseException as error:
        made.not_taken()
        if isinstance(error, SayError):
            raise LedgerError("the call's first records are not durable") from error
        raise
    return made
