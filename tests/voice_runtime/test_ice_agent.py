"""A close that leaves nothing of ICE behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from controls.errors import InternalError
from voice_runtime.ice_agent import agent_of, close_connection

pytestmark = pytest.mark.anyio


def asking() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "query_consent" in repr(task)]


async def negotiated() -> tuple[RTCPeerConnection, RTCPeerConnection]:
    """Two ends that begin to look for a path to each other."""
    calling, called = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    calling.addTrack(AudioStreamTrack())
    await calling.setLocalDescription(await calling.createOffer())
    await called.setRemoteDescription(calling.localDescription)
    await called.setLocalDescription(await called.createAnswer())
    await calling.setRemoteDescription(called.localDescription)
    return calling, called


async def test_a_connection_closed_the_moment_its_path_is_found_asks_for_nothing_any_more():
    """A task of aioice's per such call lived, and asked, as long as the server."""
    calling, called = await negotiated()
    agent = agent_of(called)
    async with asyncio.timeout(30):
        while not agent._check_list_done:  # the path is found; connect() has not woken yet
            await asyncio.sleep(0)
        await close_connection(called)
        await close_connection(calling)
        await asyncio.sleep(0.1)  # connect() looks once in 20 ms
    assert asking() == []


async def test_a_connection_that_stands_is_closed():
    calling, called = await negotiated()
    async with asyncio.timeout(30):
        while len(asking()) < 2:
            await asyncio.sleep(0.01)
        await close_connection(called)
        await close_connection(called)
        await close_connection(calling)
    assert asking() == []


async def test_a_connection_without_an_agent_is_closed_too():
    pc = RTCPeerConnection()
    with pytest.raises(InternalError, match="not as read"):
        agent_of(pc)
    await close_connection(pc)
    assert pc.connectionState == "closed"
