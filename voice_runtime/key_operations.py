"""Changing keys of a ledger that is open: what the local socket offers to commands, and what they do alone.

Every operation blocks, may be repeated after a crash, and answers with JSON text.
"""

from __future__ import annotations

import base64
import json

from controls.errors import OperatorError
from controls.ledger.keys import Keys, node_name
from controls.ledger.ledger import Ledger
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.reader import LogView
from controls.ledger.records import REGISTER
from controls.ledger.register import Register, read_register
from controls.ledger.tenant_logs import find_logs
from voice_runtime.local import Operation, OperationName


def key_operations(ledger: Ledger, keys: Keys) -> dict[OperationName, Operation]:
    """The operations of ``voice_runtime.local`` on this ledger, whose keys ``keys`` are."""
    return {
        "rotate_log": lambda tenant: rotate_logs(ledger, tenant),
        "rotate_node": lambda tenant: rotate_node(ledger, keys),
        "rewrap": lambda tenant: json.dumps({"subjects": ledger.rewrap()}),
    }


def rotate_logs(ledger: Ledger, tenant: str) -> str:
    """A new key for this tenant's present log, or (``""``) for every tenant's and the register's.

    Raises:
        OperatorError: there is no log of that tenant.
        SayError: as ``Ledger.rotate``; what was rotated before stays.
    """
    known = dict.fromkeys(log.tenant for log in find_logs(ledger.root))
    if not known or (tenant and tenant not in known):
        raise OperatorError(
            f"there is no log of {tenant or 'anybody'}; there are {', '.join(known) or 'none'}"
        )
    rotated = []
    # The register last: it has to say the others' new keys first.
    for name in [tenant] if tenant else sorted(known, key=lambda name: (name == REGISTER, name)):
        key = ledger.rotate(name)
        rotated.append({"tenant": name, "origin": ledger.prepare(name).origin, "vkey": str(key)})
    return json.dumps({"rotated": rotated})


def rotate_node(ledger: Ledger, keys: Keys) -> str:
    """A new key for the node. The register names it before it signs, and the ends of those before it.

    Raises:
        SayError: it did not become durable; run it again.
    """
    log = ledger.prepare(REGISTER)
    view = LogView(log.directory)
    try:
        known = read_register(view)
    finally:
        view.close()
    register = Register(log, known)
    register.key_created(keys.node_signer(create=True).verifier, role="node")
    following = keys.next_node_signer().verifier
    register.key_created(following, role="node")
    keys.promote_node()
    for created in list(known.keys.values()):
        if created.role == "node" and created.public and created.key != key_digest(following.public):
            raw = base64.b64decode(created.public)
            register.key_retired(VerifierKey(node_name(raw), raw))
    return json.dumps({"rotated": [{"tenant": "", "origin": "", "vkey": str(following)}]})
