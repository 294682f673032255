"""The words of Spanish in the United States: figures as in English, dollars and pesos. Pure."""

from __future__ import annotations

import re

from voice_runtime.speak.spoken_grammar import Coin, Noun, Tongue
from voice_runtime.speak.spoken_numbers import Gender, spanish


def noun(words: str, gender: Gender = "m") -> Noun:
    """``"pie pies"``, or ``"libra"`` with a plural in s; ``_`` stands for a blank."""
    one, _, many = words.partition(" ")
    return Noun(one.replace("_", " "), (many or one + "s").replace("_", " "), gender)


_CENT = noun("centavo")
_DOLLAR, _EURO = Coin(noun("dólar dólares"), _CENT), Coin(noun("euro"), noun("céntimo"))
_PESO, _POUND = Coin(noun("peso"), _CENT), Coin(noun("libra", "f"), noun("penique"))
_MASCULINE = {
    "mg MG": "miligramo", "mcg µg μg": "microgramo", "g": "gramo", "kg Kg KG": "kilo",
    "ml mL ML": "mililitro", "L l": "litro", "ft": "pie", "mm": "milímetro", "cm": "centímetro", "m": "metro",
    "km": "kilómetro",
    "km/h": "kilómetro_por_hora kilómetros_por_hora", "m²": "metro_cuadrado metros_cuadrados",
    "min mins": "minuto", "seg sec": "segundo", "°F °_F ºF": "grado_Fahrenheit grados_Fahrenheit",
    "°C °_C ºC": "grado_Celsius grados_Celsius", "° ": "grado", "KB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "kWh": "kilovatio_hora kilovatios_hora", "lpm": "latido_por_minuto latidos_por_minuto",
}  # fmt: skip
_FEMININE = {
    "lb lbs": "libra", "oz": "onza", "in": "pulgada", "mi": "milla", "mph": "milla_por_hora millas_por_hora",
    "h hr hrs": "hora", "x X ×": "vez veces", "UI": "unidad_internacional unidades_internacionales",
}  # fmt: skip
_UNITS = {k.replace("_", " "): noun(words) for keys, words in _MASCULINE.items() for k in keys.split()}
_UNITS |= {k.replace("_", " "): noun(words, "f") for keys, words in _FEMININE.items() for k in keys.split()}

TONGUE = Tongue(
    digits=("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    count=spanish,
    point="punto", minus="menos", plus="más", to="a", by="por", percent="por ciento", extension="extensión",
    parts="con", per="por", of_millions="de",
    signs={
        ".": "punto", "@": "arroba", "/": "barra", "-": "guion", "_": "guion bajo", ":": "dos puntos",
        "+": "más", "?": "signo de pregunta", "=": "igual", "&": "y", "%": "por ciento", "#": "numeral",
        "~": "tilde",
    },
    coins={
        "$": _DOLLAR, "US$": _DOLLAR, "USD": _DOLLAR, "€": _EURO, "EUR": _EURO, "£": _POUND, "GBP": _POUND,
        "¥": Coin(noun("yen yenes")), "¢": Coin(_CENT), "MX$": _PESO, "MXN": _PESO,
        "CAD": Coin(noun("dólar_canadiense dólares_canadienses"), _CENT),
    },
    units=_UNITS,
    attached=frozenset(("in", "x", "X", "×", "l")),
    scales={
        "k": "mil", "K": "mil", "mil": "mil", "M": "millones", "millón": "millón", "millones": "millones",
    },
    code_before=re.compile(
        r"(?:\b(?P<sure>código|clave|pin|cuenta|referencia|confirmación|id|termina|extensión|ext\.?|pasaporte)|"
        r"\b(?:miembro|póliza|caso|orden|pedido|boleto|factura|licencia|postal|número|núm\.|no\.|dígitos|vuelo|"
        r"ruta)|#)"
        r"(?:\s+(?:número|código|de|del|la|su|es|era|en|con|id))*\s*[:#]?\s*$",
        re.IGNORECASE,
    ),
    call_before=re.compile(r"\b(?:llam\w{1,6}|marc\w{1,5}|marque|texto)\s+(?:al\s+|el\s+)?$", re.IGNORECASE),
    per_words={"h": "hora", "hr": "hora", "mes": "mes", "min": "minuto", "seg": "segundo"},
)  # fmt: skip
