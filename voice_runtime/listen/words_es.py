"""Spanish: the words and patterns that the judge of words reads a caller with.

Worded for this project and held to its own examples; **no native speaker has reviewed it**.
Words have no accents here (a recogniser may leave them out); ``ñ`` stays.
"""

from __future__ import annotations

import re

from voice_runtime.listen import words_es_aloud as aloud
from voice_runtime.listen import words_es_numbers as numbers
from voice_runtime.listen import words_es_rules as rules
from voice_runtime.listen.word_lists import (
    Subordinate,
    WordLists,
    beginnings,
    compiled,
    one_of,
    word_set,
)

_LEAD, _LEAD_IN = rules.LEAD, one_of(rules.LEAD_INS)
_CLOSING = r"(?: (?:porfavor|gracias|señor|señora|señorita))*"

# -- times, dates -----------------------------------------------------------------------------------------

_DAYS = "lunes martes miercoles jueves viernes sabado domingo"
_MONTHS, _UP_TO_99, _NUMBERS = numbers.MONTHS, numbers.UP_TO_99, numbers.NUMBERS
_HOUR = (
    r"(?:una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|[0-9]{1,2}(?::[0-9]{2})?(?:am|pm)?)"
)
_PART = r"(?:de la (?:mañana|tarde|noche|madrugada)|del dia|del mediodia|am|pm|en punto)"
_TIME = (
    rf"(?:(?:a |para |como a |antes de |despues de |hasta )?(?:la |las )?{_HOUR}"
    rf"(?: (?:y|menos) (?:media|cuarto|{_UP_TO_99}))?(?: {_PART})?|al mediodia|a mediodia)"
)
_DATE = (
    rf"(?:(?:el )?(?:{one_of(_DAYS)} )?(?:primero|{_UP_TO_99}) de {one_of(_MONTHS)}"
    rf"(?: (?:de|del) (?:[0-9]{{4}}|{_NUMBERS}))?)"
)
_DAY = (
    rf"(?:(?:(?:el|este|para el|proximo|el proximo|los|todos los) )?{one_of(_DAYS)}"
    r"(?: (?:que viene|proximo))?"
    r"|(?:(?:para|hasta) )?(?:hoy|mañana|pasado mañana)|(?:en|por|de|para) la (?:mañana|tarde|noche)"
    r"|esta (?:mañana|tarde|noche|semana)|la (?:proxima semana|semana que viene|otra semana)|el fin de semana"
    r"|lo antes posible|cuanto antes|cualquier dia|ahora mismo|ayer)"
)
_NEAR = r"(?:(?:no|solo|tal vez|mejor|como|antes del?|despues del?|por|o) )*"
_ONE_TIME = rf"{_NEAR}(?:{_DATE}|{_DAY}|{_TIME})(?: {_NEAR}(?:{_DATE}|{_DAY}|{_TIME}))*"
_WHEN = rf"{_ONE_TIME}(?: (?:y|o|u|a) {_ONE_TIME})*(?: (?:esta bien|me queda bien|me conviene|seria mejor))?"

# -- short answers ----------------------------------------------------------------------------------------

_AGREES = one_of(
    "si|no|claro|claro que si|claro que no|correcto|exacto|exactamente|asi es|eso es|esta bien|de acuerdo"
    "|perfecto|ok|okay|bueno|por supuesto|desde luego|adelante|muy bien|vale|sale|orale|como no|aja"
    "|sip|nop|cierto"
)
_STANCE = one_of(
    "creo que si|creo que no|me parece bien|no importa|ahora no|todavia no|mejor no|para nada|hagalo|agendela"
    "|agendelo|reservela|reservelo|confirmela|confirmelo|suena bien|no hay problema|esta perfecto|no se"
    "|no estoy seguro|no estoy segura|si quiero|no quiero|si puedo|no puedo|si tengo|no tengo|lo es"
    "|no lo es|si es|no es|es correcto"
)
_COURTESY = one_of(
    "gracias|muchas gracias|mil gracias|hola|buenos dias|buenas tardes|buenas noches|buenas|adios|hasta luego"
    "|hasta mañana|igualmente|nos vemos|que le vaya bien|que tenga buen dia|muy amable|bye"
)
_WISHES = one_of(
    "es todo|eso es todo|seria todo|nada mas|nada|ninguno|ninguna|cancelela|cancelelo|repita|otra vez|ayuda"
    "|pare|alto|persona|una persona|operadora|operador|representante|recepcion|recepcionista"
    "|con una persona|con alguien"
)
_ABOUT = r"(?:(?:es|son|como|unos|unas|alrededor de|menos de|mas de|hasta|solo) )*"
_COUNTED = one_of(
    "dolares pesos personas años minutos horas recamaras habitaciones baños niños cuartos dias semanas"
)
_YES_NO = rf"(?:{_AGREES}|{_STANCE})(?: (?:{_AGREES}|{_STANCE}|porfavor|gracias))*"
_ANSWERS = (
    rf"(?:{_AGREES}(?: (?:{_AGREES}|{_STANCE}|porfavor))*|{_STANCE}|{_COURTESY}(?: {_COURTESY})*|{_WISHES}"
    rf"|{_ABOUT}{_NUMBERS} {_COUNTED})"
)
_PICKS = (
    r"(?:(?:quiero|prefiero|me quedo con|la de|el de|con|a|la|las|el|los|de) )*"
    r"(?:primero|primera|segundo|segunda|tercero|tercera|ultimo|ultima|otro|otra|ese|esa|eso|cualquiera"
    r"|cualquiera de los dos|los dos|las dos|ambos|ambas|ninguno|ninguna|temprano|tarde|mañana|mas barato)"
)

SPANISH = WordLists(
    nods=word_set("mhm|mhmm|mm hm|aja|ajam|uh huh"),
    fillers=word_set(rules.FILLERS),
    thinking=aloud.THINKING,
    aloud=aloud.ALOUD,
    excuse=aloud.EXCUSE,
    resumes=aloud.RESUMES,
    instead=compiled(r"^.* (?:no|perdon|digo|mejor dicho|no perdon|mejor|o sea|mas bien) (?=\w+)"),
    takes_back=compiled(
        r" (?:perdon|no|digo|mejor dicho|no perdon|o sea|no espere|bueno|mas bien|no se|creo|me parece"
        r"|supongo|digamos)$"
    ),
    courtesy=word_set("porfavor gracias"),
    lead_ins=word_set(rules.LEAD_INS),
    function=word_set(
        f"{rules.LEAD_INS} {rules.DETERMINERS} {rules.PREPOSITIONS} {rules.CONJUNCTIONS} {rules.SUBJECTS} "
        f"{rules.VERBS} {rules.QUESTION_WORDS} {rules.REPORTING} {rules.TITLES} {numbers.DIGITS} me te se "
        f"nos le "
        "les lo si no nombre muy"
    ),
    answers=compiled(f"{_LEAD}(?:{_ANSWERS}|{_WHEN}){_CLOSING}"),
    agrees=compiled(
        rf"(?:{_LEAD_IN} )*(?:si|claro|claro que si|por supuesto|ok|okay|bueno|como no)(?: (?:es|porfavor))*"
    ),
    yes_no=compiled(f"{_LEAD}{_YES_NO}{_CLOSING}"),
    when=compiled(f"{_LEAD}{_WHEN}{_CLOSING}"),
    birth=numbers.BIRTH,
    announced=numbers.ANNOUNCED,
    quantity=compiled(
        rf"{_LEAD}{_ABOUT}(?:{_NUMBERS}(?: (?!y\b|o\b)\w+)?|solo yo|ninguno|ninguna){_CLOSING}"
    ),
    picks=compiled(f"{_LEAD}{_PICKS}(?: (?:esta bien|me queda bien))?{_CLOSING}"),
    name_before=compiled(
        rf"^(?:(?:{_LEAD_IN}|{one_of(rules.TITLES)}|me llamo|mi nombre es|soy|es|se llama|con|a nombre de"
        r"|el|la) )*"
    ),
    asides=compiled(r" (?:creo|creo yo|me parece|supongo)$"),
    broken=beginnings(f"{_DAYS} {_MONTHS}") - word_set("juni juli mart sept"),
    asked=re.compile(
        r"[?¿]|\b(?:qué|cuál|cuáles|cuándo|dónde|adónde|quién|quiénes|cómo|cuánto|cuánta|cuántos|cuántas)\b"
    ),
    subordinate=Subordinate(
        begins=compiled(
            rf"^{_LEAD}(?:(?:(?:despues|antes) de \w+r|al \w+[aei]r|si|aunque|mientras|en cuanto"
            rf"|antes de que|despues de que|desde que|hasta que"
            r"|la (?:ultima|primera|proxima) vez(?: que)?|cada vez que|el dia que)\b"
            r"|cuando (?=(?:abro|enciendo|intento|trato|pongo|entro|salgo|quiero|llego|uso|giro|aprieto"
            r"|freno|arranco|hago|voy"
            r"|me|se|le|el|la|los|las|yo|me|mi|estuve|fui|llame|vine|llegue|hable|pueda|puedan|tenga|usted"
            r"|era)\b))"
        ),
        unless=compiled(
            rf"^{_LEAD}si(?: {one_of(rules.VERBS)})?$"
            rf"|^{_LEAD}si (?:quiero|quisiera|necesito|puedo|me gustaria)\b"
            r"|\bsi (?:es posible|se puede|no|fuera posible|esta bien)$"
            r"|^(?:\w+ )*si (?:porfavor|gracias|señor|señora|claro|como no)\b"
        ),
        main=word_set("yo quiero quisiera necesito entonces porfavor puedo podria tengo"),
        inversions=frozenset({"me puede", "me gustaria", "me dijeron", "me dijo", "se puede", "puede usted"}),
        follows=compiled(
            r"^(?:\w+ ){2,}(?:se|me|no|le|nos|les) \w+|^(?:\w+ ){2,}(?:sale|salen|hace|hacen|esta|hay"
            r"|aparece|dice|suena|tengo"
            r"|quiero|seria|es|fue|era|estuvo|puedo|llamo|voy|empieza|deja|sigue|siguen) \w+"
        ),
        joins=word_set("y o que si porque cuando como no le lo a de para"),
    ),
    spelling=numbers.SPELLING,
    leads_up=rules.LEADS_UP,
    rules=rules.RULES,
)
