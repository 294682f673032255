"""What several server processes of one house share through Redis, sealed under the house's own key.

Redis holds numbers, times and ciphertext: whoever reads it learns that something waits or is stopped, and
who writes it can make none of it up. Three things lie there, under ``<house>:``

* ``shared:<name>``   a version and a value that are swapped together (a Lua script, atomic in Redis),
* ``worker:<id>``     what that worker offers the others now; gone ``OFFER_S`` after it last said so,
* ``ask:<id>``, ``answer:<id>``  questions to one worker and their answers, gone unread after ``KEPT_S``.

Sealing is AES-256-GCM (NIST SP 800-38D) with what it is bound in as additional data, so that nothing can be
put in the place of something else; its key comes from the house's secret by HKDF (RFC 5869). An old value
can be put back: versions show that, and ``controls.stop`` lifts nothing on its word.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from voice_runtime.ports import StoreUnreachable
from voice_runtime.store.redis import REPLY_S, Redis

#: How long an offer stands without being made again, s.
OFFER_S = 5.0
#: How long a question or an answer waits for whom it is for, s.
KEPT_S = 15
#: Longest one blocking read waits before it is asked again, s.
BLOCK_S = 2
#: Questions already taken, so that none is taken twice.
_REMEMBERED = 4096
_NONCE = 12

_SWAP = """
local found = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if found ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
return 1
"""


class Seal:
    """Seals and opens what passes through the store."""

    def __init__(self, secret: str, house: str) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"sayso workers v1")
        self._cipher = AESGCM(derived.derive(secret.encode()))
        self._house = house

    def close(self, what: str, text: str) -> bytes:
        """Seal ``text`` as that, and nothing else."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), self._bound(what))

    def open(self, what: str, sealed: bytes) -> str:
        """What was sealed as that.

        Raises:
            StoreUnreachable: nobody with this house's key sealed it, or it was sealed as something else.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._bound(what)).decode()
        except (InvalidTag, ValueError):
            raise StoreUnreachable(
                "what lies in Redis was not written by a worker with this house's key: give every worker the "
                "same workers.key, and each house a workers.house of its own"
            ) from None

    def _bound(self, what: str) -> bytes:
        return f"{self._house}/{what}".encode()


class Workers:
    """One worker's end. Implements ``ports.Shared`` and ``approvals_elsewhere.Colleagues``."""

    def __init__(
        self, url: str, *, secret: str, house: str, password: str = "", reply_s: float = REPLY_S
    ) -> None:
        """Prepare; nothing connects before it is needed.

        Raises:
            ValueError: the address is none.
        """
        self.me = secrets.token_hex(8)
        self._house = house
        self._seal = Seal(secret, house)
        self._connection = partial(Redis, url, password=password, reply_s=reply_s)
        self._redis, self._inbox = self._connection(), self._connection()
        self._taken: deque[str] = deque(maxlen=_REMEMBERED)

    async def close(self) -> None:
        """Close the connections. Harmless twice."""
        await self._redis.close()
        await self._inbox.close()

    # -- values with a version --------------------------------------------------------------------

    async def read(self, name: str) -> tuple[int, str] | None:
        """As ``ports.Shared``."""
        found = await self._redis.call("HMGET", self._key("shared", name), "version", "value")
        if not (isinstance(found, list) and len(found) == 2):
            raise StoreUnreachable("Redis answered with something else")
        version, value = found
        if version is None and value is None:
            return None
        if not (isinstance(version, bytes) and isinstance(value, bytes) and version.isdigit()):
            raise StoreUnreachable("what the workers share is damaged in Redis")
        return int(version), self._seal.open(f"shared/{name}/{int(version)}", value)

    async def swap(self, name: str, before: int, after: int, value: str) -> bool:
        """As ``ports.Shared``."""
        sealed = self._seal.close(f"shared/{name}/{after}", value)
        key = self._key("shared", name)
        return await self._redis.call("EVAL", _SWAP, 1, key, before, after, sealed) == 1

    # -- what each offers the others --------------------------------------------------------------

    async def offer(self, text: str) -> None:
        """Tell the others, for the next ``OFFER_S``; raises ``StoreUnreachable``."""
        sealed = self._seal.close(f"worker/{self.me}", text)
        await self._redis.call("SET", self._key("worker", self.me), sealed, "PX", int(OFFER_S * 1000))
        await self._redis.call("SADD", self._key("workers", "all"), self.me)

    async def leave(self) -> None:
        """Offer nothing more; raises ``StoreUnreachable``."""
        await self._redis.call("DEL", self._key("worker", self.me))
        await self._redis.call("SREM", self._key("workers", "all"), self.me)

    async def offered(self) -> dict[str, str]:
        """What each of the other workers offers now; raises ``StoreUnreachable``."""
        members = await self._redis.call("SMEMBERS", self._key("workers", "all"))
        known = members if isinstance(members, list) else []
        names = sorted(m.decode("ascii", "replace") for m in known if isinstance(m, bytes))
        found: dict[str, str] = {}
        for name in names:
            if name == self.me:
                continue
            sealed = await self._redis.call("GET", self._key("worker", name))
            if isinstance(sealed, bytes):
                found[name] = self._seal.open(f"worker/{name}", sealed)
            else:  # it said nothing for too long
                await self._redis.call("SREM", self._key("workers", "all"), name)
        return found

    # -- questions to one of them -----------------------------------------------------------------

    async def ask(self, worker: str, text: str, within_s: float) -> str | None:
        """Ask another worker, and wait for its answer; None when none came in time (it may still be done).

        Raises:
            StoreUnreachable: the store did not answer.
        """
        number = secrets.token_hex(16)
        sealed = self._seal.close(f"ask/{worker}/{number}", text)
        inbox, answers = self._key("ask", worker), self._key("answer", number)
        waiting = self._connection()
        try:
            await waiting.call("RPUSH", inbox, number.encode() + sealed)
            try:
                await waiting.call("EXPIRE", inbox, KEPT_S)
                found = await waiting.call("BLPOP", answers, str(within_s), within_s=within_s + 1)
            except StoreUnreachable:  # the question lies there: it may be taken all the same
                return None
        finally:
            await waiting.close()
        if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], bytes)):
            return None
        return self._seal.open(f"answer/{number}", found[1])

    async def asked(self) -> tuple[str, str] | None:
        """The next question to this worker and the number its answer goes to; None after a while without any.

        Raises:
            StoreUnreachable: the store did not answer, or nobody of this house asked that.
        """
        found = await self._inbox.call("BLPOP", self._key("ask", self.me), BLOCK_S, within_s=BLOCK_S + 1)
        if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], bytes)):
            return None
        number, sealed = found[1][:32].decode("ascii", "replace"), found[1][32:]
        text = self._seal.open(f"ask/{self.me}/{number}", sealed)
        if number in self._taken:  # put back by somebody who can write to Redis
            return None
        self._taken.append(number)
        return number, text

    async def answer(self, number: str, text: str) -> None:
        """Answer a question; raises ``StoreUnreachable``."""
        key = self._key("answer", number)
        await self._redis.call("RPUSH", key, self._seal.close(f"answer/{number}", text))
        await self._redis.call("EXPIRE", key, KEPT_S)

    def _key(self, *parts: str) -> str:
        return ":".join((self._house, *parts))
