"""English: how callers spell, and the values of several parts that they announce."""

from __future__ import annotations

from voice_runtime.listen import words_en_values as values
from voice_runtime.listen.word_lists import Announced, Spelling, compiled, one_of, word_set

SPELLING = Spelling(
    digits=word_set(values.DIGITS),
    pairs=word_set(values.PAIRS),
    tens=word_set(values.TENS),
    hundreds=frozenset(),
    times={"double": 2, "triple": 3, "treble": 3},
    noughts={"hundred": 2, "thousand": 3},
    between=word_set("dash hyphen slash stroke space apostrophe point minus capital uppercase lowercase"),
    letters=word_set("bee cee dee gee tee pee cue kay jay ar em en ess vee ex wye zee zed aitch eff"),
    words=word_set("a i"),
    codewords=word_set(
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november "
        "oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
    ),
    as_in=(("as", "in"), ("like", "in"), ("is", "in"), ("for",), ("like",)),
    announced=compiled(
        r"(?P<four>\b(?:last four(?: digits| numbers)?|ends|ending|end|pin(?: number| code)?|expires"
        r"|expiry(?: date)?|expiration(?: date)?)\b)"
        r"|(?P<six>\b(?:sort code|last six(?: digits)?|passcode|verification code|security code)\b)"
        r"|(?P<zip>\bzip(?: code)?\b)"
        r"|(?P<telephone>\b(?:(?:phone|telephone|cell|cellphone|mobile|landline|home|work|contact|callback)"
        r"(?: phone)? number|my number|(?:phone|telephone|cell|mobile|landline|area code)"
        r"|(?:reach|call|text|ring|phone|contact) (?:me|us|him|her|them))\b)"
        r"|(?P<extension>\bextension\b)"
        r"|(?P<card>\b(?:(?:credit|debit|bank|gift) card|card number|long number|visa|mastercard)\b)"
        r"|(?P<nine>\b(?:social(?: security(?: number)?)?|routing number)\b)"
        r"|\b(?:number|code|id|i d|spelled|spelt|spelling|spell it|spell that|account|card|digits|license"
        r"|licence|plate|registration|order|policy|confirmation|reference|member|membership|case|ticket"
        r"|tracking|booking|serial|claim|invoice|parcel|permit|vin|imei|iban|insurance|passport|postcode"
        r"|post code|postal code|name is|name's|surname is|email|login|username|flight|model)\b"
    ),
    links=word_set("is are was it's in at on with number code id digits zip's zip extension begins starts"),
    labels=word_set(
        "apartment apt unit flat suite gate seat row room plan vitamin type class grade terminal form bay "
        "platform exit flight route bus train highway line channel door block section level building wing "
        "ward floor lot the my your his her our their"
    ),
    trunk=word_set("one 1"),
    nought=word_set("oh zero 0"),
    centuries=word_set("nineteen twenty"),
    shorter=frozenset(),
)

_LAST_WORDS = r"(?:(?: is| was| would be|'s| it's| it is| that's)(?: also| just| actually)?)+"
_DATE_WORD = (
    rf"(?:{one_of(values.MONTHS)}|{one_of(values.ORDINALS)}|{one_of(values.DIGITS)}|{one_of(values.PAIRS)}"
    r"|the|of|in|on|and|hundred|thousand|slash|dash|it's|[0-9/]+(?:st|nd|rd|th)?)"
)
_YEAR_OF_TWO = rf"(?!(?:nineteen|twenty)$){values.UP_TO_99}"

#: A date of birth.
BIRTH = Announced(
    begins=compiled(
        r"\b(?:date of birth|birth ?date|birthday(?:'s)?|d o b|dob|born)\b"
        r"(?: (?:is|was|it's|it is|on|in|would be|the))*"
    ),
    made_of=compiled(rf"{_DATE_WORD}(?: {_DATE_WORD})*"),
    unless=None,
    complete=compiled(
        rf"\b{values.YEAR}$|\b(?:{values.ORDINAL}|[0-9]+) {_YEAR_OF_TWO}$"
        rf"|\b{one_of(values.MONTHS)} {values.OF_MONTH} {_YEAR_OF_TWO}$"
        rf"|\b(?:{values.ORDINAL}|{values.UP_TO_99}|[0-9]+)(?: of)? {one_of(values.MONTHS)} {_YEAR_OF_TWO}$"
        r"|/[0-9]{1,2}/[0-9]{2,4}$"
    ),
    alone=compiled(rf"^(?!in\b|on\b).*\b{one_of(values.MONTHS)}\b"),
)

_NOT_A_VALUE = compiled(
    r"^(?:not|no|the same|on|wrong|correct|down|full|broken|working|still|fine|right|what|your|a|an|easier"
    r"|better"
    r"|best|in|too|hard|different|also|already|somewhere|near|close|out|over|here|there|what's|it|me|my|never"
    r"|listed|under|being|going|for|to)\b"
)
_DOMAIN = r"\bdot (?:com|net|org|edu|gov|us|uk|ca|ie|au|eu|de|fr|es|io|info|biz|me)$"
_STREET = (
    "street st road rd avenue ave drive lane way court place boulevard close crescent terrace square hill "
    "gardens park row mews walk grove highway parkway circle trail broadway plaza wharf green view heights"
)
_NUMBER_WORDS = rf"(?:{one_of(values.DIGITS)}|{one_of(values.PAIRS)}|hundred|thousand|and|[0-9]+)"

#: Other values, the first that was announced counts.
ANNOUNCED = (
    Announced(  # an e-mail address, by its name or by its marks
        begins=compiled(
            rf"\be ?mail(?: address)?\b{_LAST_WORDS}|\b(?:lower ?case|all one word|underscore)\b"
            r"|\bat (?:gmail|yahoo|hotmail|outlook|icloud|aol)\b|\b(?=\w+ dot (?!com\b)\w+)"
        ),
        made_of=compiled(r"\w+(?: \w+){0,11}|"),
        unless=_NOT_A_VALUE,
        complete=compiled(_DOMAIN),
    ),
    Announced(  # a street: what is only a number, or a number and a direction, lacks its name
        begins=compiled(
            rf"\baddress\b{_LAST_WORDS}(?: at)?|\b(?:live|lives|living|lived|staying|located|based"
            rf"|deliver(?: it)?"
            r"|send it|house is|office is) (?:at|to|in|on)\b"
        ),
        made_of=compiled(rf"(?:number )?{_NUMBER_WORDS}(?: \w+){{0,12}}"),
        unless=_NOT_A_VALUE,
        complete=compiled(rf"\b(?:{one_of(values.DIGITS)} ){{4}}{one_of(values.DIGITS)}$|\b[0-9]{{5}}$"),
        unsure=compiled(
            rf"\b{one_of(_STREET)}$|\b(?:apartment|apt|unit|flat|suite|floor) \w+(?: \w+)?$"
            rf"|\b(?!(?:north|south|east|west|saint|{values.ORDINALS.replace(' ', '|')}"
            rf"|{values.WORDS_OF_NUMBERS})"
            r"$)[a-z']+$"
        ),
    ),
)
