"""Numbers in configuration: E.164, and those an agent or the carrier may dial."""

from __future__ import annotations

from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]


def _dialled(value: str) -> str:
    """A number an agent may dial: of the numbering plan of its country, and none that costs by the minute.

    Emergency numbers are none of these: they are written without a country's code (ITU-T E.164, 6.3), and an
    agent has a caller dial them, as only the caller's own line is known where it stands.
    """
    try:
        number = phonenumbers.parse(value)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise PydanticCustomError(
            "dialled",
            "is no number of its country's plan",
            {"remedy": "write it as it is dialled from abroad"},
        )
    if phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        raise PydanticCustomError(
            "dialled",
            "is a premium-rate number, which an agent never dials",
            {"remedy": "name the desk's ordinary number"},
        )
    return value


Dialled = Annotated[E164, AfterValidator(_dialled)]
