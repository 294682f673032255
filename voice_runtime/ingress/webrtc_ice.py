"""ICE restart on a connection that stands (RFC 8839, 4.4.1.1.1): new credentials, new paths, the same call.

aiortc (1.14 to 1.16) ignores a restart: it goes on checking with the old
credentials, so the new path never comes up. Its ICE agent, aioice, can follow
one all the same, as its controlled side takes whichever pair the browser
nominates, at any time. So the agent gets the new credentials of both sides and
the new candidates in place; DTLS, SRTP and the data channel never notice.
"""

from __future__ import annotations

import secrets
import string

from aioice.ice import CandidatePair
from aiortc import RTCPeerConnection

from voice_runtime.ice_agent import agent_of
from voice_runtime.ingress.webrtc_sdp import Offer

_LETTERS = string.ascii_letters + string.digits
_UNCHECKED = (CandidatePair.State.FROZEN, CandidatePair.State.WAITING)


def renew_credentials(pc: RTCPeerConnection, offer: Offer) -> None:
    """Take a restart's credentials, and make our own, before the offer is handed to aiortc.

    Raises:
        InternalError: aiortc or aioice is not as read.
    """
    agent = agent_of(pc)
    agent.remote_username, agent.remote_password = offer.ufrag, offer.password
    agent._local_username = "".join(secrets.choice(_LETTERS) for _ in range(8))
    agent._local_password = "".join(secrets.choice(_LETTERS) for _ in range(24))
    agent._remote_candidates_end = False
    pc.getTransceivers()[0].receiver.transport.transport.iceGatherer._remote_candidates_end = False


def check_new_paths(pc: RTCPeerConnection) -> None:
    """Check the pairs a restart brought: behind a TURN server or a firewall our checks open the way."""
    agent = agent_of(pc)
    for pair in list(agent._check_list):
        if pair.state in _UNCHECKED:
            agent.check_start_task(pair)
