"""What the recognisers go by: words that say what a number is, months, streets, countries. Data, no logic.

Words are written as ``controls.rules.matchers`` compares them: no case, no accents, figures for numbers.
A change in here is another version of the recognisers (``revision``). German words stand beside
English and Spanish ones for the numbers of Germany; no agent speaks German yet.
"""

from __future__ import annotations

from collections.abc import Mapping

#: What a number is said to be, by name → phrases (``controls.rules.matchers``).
LABELS: Mapping[str, tuple[str, ...]] = {
    "payment": (
        "credit card", "debit card", "payment card", "bank card", "visa", "mastercard", "master card", "amex",
        "american express", "discover card", "long number", "tarjeta de credito", "tarjeta de debito",
        "tarjeta bancaria", "kreditkarte",
    ),
    "card": ("card", "tarjeta", "karte"),
    "card-code": (
        "cvv", "cvc", "cvv2", "cvc2", "csc", "c v v", "c v c", "security code", "3 digit code",
        "card verification", "code on the back", "number on the back", "codigo de seguridad",
        "codigo de verificacion de la tarjeta", "numero de atras", "prufnummer",
    ),
    "iban": ("iban", "bank account", "account number", "cuenta bancaria", "numero de cuenta", "kontonummer"),
    "us-ssn": (
        "social security", "social security number", "ssn", "my/your/the/his/her social", "s s n", "itin",
        "taxpayer", "tax id", "seguro social", "numero de seguro",
    ),
    "gb-nhs": ("nhs", "n h s", "national health"),
    "gb-nino": ("national insurance", "nino", "n i number", "ni number"),
    "es-dni": ("dni", "nie", "d n i", "documento nacional", "documento de identidad", "nif"),
    "de-tax-id": ("steuer id", "steuerid", "steueridentifikationsnummer", "steuernummer", "idnr", "tax id"),
    "telephone": (
        "phone", "telephone", "cell", "mobile", "call me/us/him/her/you", "reach me/us/him/her/you",
        "call back", "callback", "fax", "telefono", "movil", "celular", "llameme", "llamame", "llamarle",
        "telefon", "handy",
    ),
    "number": ("my/your/the number", "number is", "mi/su numero", "numero es"),
    "birth-date": (
        "born", "birthday", "birth date", "birthdate", "date of birth", "dob", "d o b", "nacio", "naci",
        "nacido", "nacida", "nacimiento", "cumpleanos", "geboren", "geburtsdatum",
    ),
}  # fmt: skip
#: Labels that speak of cards; and those that could be of anything, so that no other gives way to them.
CARDS = frozenset(("payment", "card", "card-code"))
GENERIC = frozenset(("number", "card"))
#: A card of these kinds is not paid with.
NOT_FOR_PAYING = frozenset((
    "insurance", "health", "member", "membership", "id", "identity", "library", "loyalty", "gift", "medicare",
    "medicaid", "business", "green", "report", "phone", "sim", "appointment", "vaccine", "vaccination",
    "score", "patient", "birthday", "student",
))  # fmt: skip
#: Words people put between the figures of one number.
BETWEEN = frozenset((
    "uh", "um", "er", "erm", "eh", "ah", "hm", "dash", "hyphen", "space", "and", "then", "x", "slash",
    "comma", "guion", "espacio", "coma", "y", "luego", "este", "barra",
))  # fmt: skip
#: Of these, the ones that join two numbers as easily.
JOINING = frozenset(("and", "y", "then", "luego", "x", "slash", "barra"))
#: A number before these is an amount.
AMOUNTS = frozenset((
    "dollars", "dollar", "euros", "euro", "pounds", "pound", "cents", "cent", "percent", "pesos", "dolares",
    "libras", "centavos", "centimos",
))  # fmt: skip

#: Words of two letters that stand before figures, and begin no National Insurance number there.
SHORT_WORDS = frozenset((
    "an", "as", "at", "be", "by", "el", "en", "es", "ha", "he", "la", "le", "me", "my", "no", "or", "se",
    "so", "we", "ya",
))  # fmt: skip

MONTHS = frozenset((
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
    "setiembre", "octubre", "noviembre", "diciembre", "januar", "februar", "marz", "mai", "juni", "juli",
    "oktober", "dezember",
))  # fmt: skip
#: Day numbers in words, and what stands between the parts of a date.
IN_DATES = frozenset((
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth", "twentieth", "thirtieth", "twenty", "thirty", "primero", "st", "nd", "rd", "th", "of",
    "the", "in", "de", "del", "dia", "el", "ano", "year",
))  # fmt: skip

STREETS = frozenset((
    "street", "st", "avenue", "ave", "road", "rd", "boulevard", "blvd", "lane", "ln", "drive", "dr", "court",
    "ct", "way", "place", "terrace", "highway", "hwy", "parkway", "pkwy", "circle", "crescent", "close",
    "gardens", "grove", "strasse", "str", "weg", "allee", "gasse", "platz",
))  # fmt: skip
STREETS_FIRST = frozenset((
    "calle", "avenida", "avda", "av", "paseo", "plaza", "camino", "carretera", "ronda", "travesia",
    "callejon",
))  # fmt: skip
#: Ends of German street names that are one word.
STREET_ENDS = ("strasse", "straße", "gasse", "allee")
#: Words between a figure and "street" or "way" that make it no address.
NO_STREET = frozenset((
    "minute", "minutes", "hour", "hours", "mile", "miles", "km", "kilometer", "kilometers", "second",
    "seconds", "day", "days", "week", "weeks", "month", "months", "year", "years", "am", "pm", "oclock",
    "percent", "dollars", "euros", "pounds", "star", "the", "in", "by", "at", "on", "is", "are", "and", "or",
    "for", "to", "a", "an", "from", "of", "off", "with",
))  # fmt: skip
UNITS = frozenset(
    (
        "apt",
        "apartment",
        "unit",
        "suite",
        "flat",
        "floor",
        "piso",
        "puerta",
        "number",
        "numero",
        "no",
    )
)

#: Top-level names that are spoken.
TOP_LEVEL = frozenset((
    "com", "org", "net", "edu", "gov", "mil", "info", "biz", "io", "co", "me", "app", "dev", "us", "uk", "es",
    "de", "eu", "fr", "it", "mx", "ar", "cl", "ie", "nhs", "ac", "health",
))  # fmt: skip
AT = frozenset(("at", "arroba"))
DOT = frozenset(("dot", "punto", "punkt"))
#: What joins the parts of a spoken address.
IN_ADDRESS = DOT | {"underscore", "dash", "hyphen", "plus", "guion", "bajo", "period", "minus", "mas"}
#: The words before an address begins.
BEFORE_ADDRESS = frozenset((
    "is", "are", "es", "email", "mail", "correo", "address", "electronico", "at", "to", "it", "me", "use",
    "my", "the", "mi", "su", "your", "que",
))  # fmt: skip

#: ISO 13616 registry: country → length of its IBAN.
IBAN_LENGTHS: Mapping[str, int] = {
    "ad": 24, "ae": 23, "al": 28, "at": 20, "az": 28, "ba": 20, "be": 16, "bg": 22, "bh": 22, "br": 29,
    "by": 28, "ch": 21, "cr": 22, "cy": 28, "cz": 24, "de": 22, "dk": 18, "do": 28, "ee": 20, "eg": 29,
    "es": 24, "fi": 18, "fo": 18, "fr": 27, "gb": 22, "ge": 22, "gi": 23, "gl": 18, "gr": 27, "gt": 28,
    "hr": 21, "hu": 28, "ie": 22, "il": 23, "iq": 23, "is": 26, "it": 27, "jo": 30, "kw": 30, "kz": 20,
    "lb": 28, "lc": 32, "li": 21, "lt": 20, "lu": 20, "lv": 21, "mc": 27, "md": 24, "me": 22, "mk": 19,
    "mr": 27, "mt": 31, "mu": 30, "nl": 18, "no": 15, "pk": 24, "pl": 28, "ps": 29, "pt": 25, "qa": 29,
    "ro": 24, "rs": 22, "sa": 24, "sc": 31, "se": 24, "si": 19, "sk": 24, "sm": 27, "st": 25, "sv": 28,
    "tl": 23, "tn": 24, "tr": 26, "ua": 29, "va": 22, "vg": 24, "xk": 20,
}  # fmt: skip
#: Letters as Spanish says them.
LETTERS_ES: Mapping[str, str] = {
    "be": "b", "ce": "c", "de": "d", "efe": "f", "ge": "g", "hache": "h", "jota": "j", "ka": "k", "ele": "l",
    "eme": "m", "ene": "n", "pe": "p", "cu": "q", "erre": "r", "ere": "r", "ese": "s", "te": "t", "uve": "v",
    "ve": "v", "equis": "x", "ye": "y", "zeta": "z",
}  # fmt: skip
#: Letter of a DNI or NIE by its number modulo 23 (Real Decreto 1553/2005).
DNI_LETTERS = "trwagmyfpdxbnjzsqvhlcke"
