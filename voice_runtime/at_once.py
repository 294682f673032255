"""Several things done at once, none of which goes on behind an error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_T = TypeVar("_T")


async def at_once(*doing: Awaitable[_T]) -> list[_T]:
    """What each gives, in order; the first error, once all of them have ended.

    Raises:
        BaseException: whatever one of them raised, as it is and not in a group.
    """
    found = await asyncio.gather(*doing, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if not isinstance(one, BaseException)]
