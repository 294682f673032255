"""Spanish: numbers, how callers spell, and the values of several parts that they announce.

Worded for this project; **no native speaker has reviewed it**. Words have no accents here.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import Announced, Spelling, compiled, one_of, word_set

DIGITS = "cero uno una dos tres cuatro cinco seis siete ocho nueve"
_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_PAIRS = (
    f"{_TENS} diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve veinte veintiuno "
    "veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve"
)
MONTHS = "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre"
UP_TO_99 = rf"(?:{one_of(_TENS)} y {one_of(DIGITS)}|{one_of(_PAIRS)}|{one_of(DIGITS)}|[0-9]+)"
_NUMBER = rf"(?:{UP_TO_99}|cien|ciento|[a-z]*cientos|[a-z]*cientas|mil|millon|millones|medio|media|un)"
NUMBERS = rf"{_NUMBER}(?: (?:y )?{_NUMBER})*"

SPELLING = Spelling(
    digits=word_set(DIGITS) - {"una"},
    pairs=word_set(_PAIRS),
    tens=word_set(_TENS),
    hundreds=word_set(
        "cien ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
        "novecientos"
    ),
    times={"doble": 2, "triple": 3},
    noughts={},
    between=word_set("guion y diagonal espacio mayuscula minuscula"),
    letters=word_set("be ce efe ge hache jota ka ele elle eme ene eñe ere erre uve ve equis zeta ceta cu"),
    words=word_set("a e i o u y de te ese"),
    codewords=frozenset(),
    as_in=(("de",), ("como", "en"), ("como",)),
    announced=compiled(
        r"(?P<four>\b(?:ultimos cuatro(?: digitos| numeros)?|termina en|terminan en|terminada en|pin|nip"
        r"|vence|caduca)\b)"
        r"|(?P<zip>\b(?:codigo|zona) postal\b)"
        r"|(?P<telephone>\b(?:telefono|celular|movil|mi numero|whatsapp"
        r"|(?:llamarme|llameme|llamenme|marqueme|contactarme|localizarme) (?:al|en el)|lada)\b)"
        r"|(?P<extension>\bextension\b)"
        r"|(?P<card>\b(?:tarjeta|numero de (?:la |mi )?tarjeta)\b)"
        r"|\b(?:numero|codigo|clave|cuenta|identificacion|se escribe|se deletrea|deletreo|correo|placa|placas"
        r"|matricula|poliza|referencia|orden|pedido|folio|factura|expediente|dni|nie|nif|curp|rfc|cedula"
        r"|pasaporte|afiliacion|reserva|reservacion|contrato|guia|mi nombre es|apellido es)\b"
    ),
    links=word_set("es son era con en al el numero codigo escribe"),
    labels=word_set(
        "puerta asiento fila sala cuarto habitacion piso departamento apartamento vitamina tipo clase grupo "
        "letra edificio bloque local mi su la el tu"
    ),
    trunk=word_set("uno 1"),
    nought=word_set("cero 0"),
    centuries=frozenset(),
    shorter=frozenset({9}),
)

_MONTH = one_of(MONTHS)
_DATE_WORD = rf"(?:{_MONTH}|{_NUMBER}|primero|el|de|del|y|en|año|dia)"
_BARE_CENTURY = r"(?:mil|mil novecientos|dos)$"
#: A date of birth.
BIRTH = Announced(
    begins=compiled(
        r"\b(?:fecha de nacimiento|naci|nacio|nacida|nacido|cumpleaños)\b(?: (?:es|era|el|en|fue|dia))*"
    ),
    made_of=compiled(rf"{_DATE_WORD}(?: {_DATE_WORD})*"),
    unless=None,
    complete=compiled(
        rf"\b{_MONTH} (?:(?:de|del|el|año) )*(?!{_BARE_CENTURY}){NUMBERS}$|\b(?:19"
        rf"|20)[0-9]{{2}}$"
    ),
    alone=compiled(rf"\b{_MONTH}\b"),
)

_LAST_WORDS = r"(?: (?:es|seria|era|electronico))+"
_NOT_A_VALUE = compiled(
    r"^(?:no|el mismo|la misma|ese|esa|correcto|correcta|otro|otra|muy|un|una|mi|su|que|lo|mejor|nueva|nuevo"
    r"|para|cerca|lejos|aqui|ahi)\b"
)
_DOMAIN = r"\bpunto (?:com|net|org|edu|gob|es|mx|ar|co|cl|pe|eu|info)$"
#: Other values, the first that was announced counts.
ANNOUNCED = (
    Announced(  # an e-mail address, by its name or by its marks
        begins=compiled(
            rf"\b(?:correo|e ?mail|mail)\b{_LAST_WORDS}|\b(?:minusculas?|guion bajo|todo junto|arroba)\b"
            r"|\b(?=\w+ punto (?!com\b|de\b)\w+)"
        ),
        made_of=compiled(r"\w+(?: \w+){0,11}|"),
        unless=_NOT_A_VALUE,
        complete=compiled(_DOMAIN),
    ),
    Announced(  # a street without its article is an address: its number comes behind it
        begins=compiled(
            r"(?:^|\b(?:en|es|vivo|a|mi direccion|direccion) )(?=(?:calle|avenida|paseo|plaza"
            r"|carrera|carretera) )"
        ),
        made_of=compiled(r"\w+(?: \w+){1,12}"),
        unless=None,
        complete=None,
        unsure=compiled(rf"\b{NUMBERS}\b(?: \w+){{0,6}}$|\bs n$"),
    ),
    Announced(  # a street comes before its number; more may follow that
        begins=compiled(
            rf"\bdireccion\b{_LAST_WORDS}|\b(?:vivo|vive|vivimos|estoy|mandelo|envielo) (?:en|a) (?:la )?"
            r"(?=(?:calle|avenida|plaza|paseo|colonia|carretera|carrera)\b)"
        ),
        made_of=compiled(r"\w+(?: \w+){0,12}"),
        unless=_NOT_A_VALUE,
        complete=None,
        unsure=compiled(
            r"\b(?!(?:numero|calle|avenida|plaza|paseo|colonia|carretera|carrera|piso|puerta|esquina|san"
            r"|santa|de"
            r"|del|la|las|los|el|y|con|en)$)\w+$"
        ),
    ),
)
