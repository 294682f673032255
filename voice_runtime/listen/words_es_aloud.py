"""Spanish: what callers say while they think, look something up, or want a moment. None of it is the matter.

As ``words_en_aloud``. Worded for this project; **no native speaker has reviewed it**. Words have no
accents here.
"""

from __future__ import annotations

from voice_runtime.listen import words_es_rules as rules
from voice_runtime.listen.word_lists import compiled, one_of

_FILLER = one_of(rules.FILLERS)
_MOMENT = r"(?:momento|momentito|segundo|segundito|minuto|minutito|ratito|tantito)"
_HOLD_ON = r"(?:espere|espereme|espera|esperame|aguarde|aguarda)"
_WAIT = rf"(?:{_HOLD_ON}|permitame|deme|dame|regaleme)"
_FIND = (
    "ver mirar mire vea consultar confirmar pensar piense checar revisar revise buscar busque fijarme "
    "recordar acordarme "
    "mirarlo verlo buscarlo buscarla checarlo revisarlo comprobar comprobarlo preguntar pregunto abrir abra "
    "sacar coger "
    "cojo agarrar apuntar anotar ubicar"
)
_FINDING = (
    "buscando buscandolo buscandola mirando mirandolo revisando checando viendo tratando intentando pensando "
    "abriendo "
    "sacando esperando leyendo consultando acordandome"
)
_OWN = r"(?:mi|mis|el|la|los|las|un|una|en mi|en el|en la|por)"
_MOMENT_PLEASE = (
    rf"(?:(?:{_WAIT} )?(?:solo )?un {_MOMENT}|{_HOLD_ON}(?: tantito)?|permitame(?! \w+r\b)"
    rf"|no (?:me )?cuelgue|ahora (?:mismo )?(?:le|lo|la|se lo) "
    r"(?:digo|busco|miro))(?: porfavor)?(?: que (?:busco|miro|cojo|agarro|saco|abro|veo|encuentro|reviso"
    r"|lo busco|la busco"
    rf"|estoy \w+)(?: {_OWN}(?: \w+)?)?)?"
)
_SEARCHES = (
    rf"(?:dejeme|deje|permitame|dejame|deja que|deje que|dejeme que|voy a|vamos a|tengo que"
    rf"|habria que) {one_of(_FIND)}"
    rf"(?: {_OWN} \w+)?|(?:lo|la) (?:tengo|tenia|apunte|guarde|puse|deje|anote)(?: (?:apuntado|apuntada"
    rf"|anotado|anotada"
    r"|guardado|escrito|escrita))?(?: (?:por )?(?:aqui|ahi|algun lado|alguna parte|algun sitio|en algun lado"
    r"|en alguna parte"
    rf"|en algun sitio|hace un {_MOMENT}|en mi \w+|en el \w+|en la \w+))+"
    rf"|estoy {one_of(_FINDING)}(?: {_OWN} \w+)?"
    r"|no (?:me acuerdo|recuerdo|encuentro|veo)(?: (?:bien|ahora|exactamente|como se llama(?:ba)?|cual era"
    r"|el nombre"
    r"|la fecha|el papel|mis gafas|mis lentes))+|se me (?:olvido|fue|ha olvidado|ha ido|escapa) (?:el nombre"
    r"|la palabra)"
    r"|lo tengo en la punta de la lengua|esta (?:cargando|abriendo|tardando)|ya casi|debe estar por aqui"
)
_TO_ONESELF = (
    r"(?:vamos )?a ver(?: si (?:me acuerdo|lo encuentro|la encuentro|encuentro \w+ \w+|lo veo|lo tengo"
    r"|puedo))?|veamos|como (?:se dice|se llama(?:ba)?|era|le explico|lo explico|te explico|se lo explico"
    r"|decirlo"
    r"|le digo|se decia|es que se llama)(?: (?:esto|eso|ese|aquel))?|donde (?:lo|la) (?:puse|deje|tengo"
    r"|apunte)"
    r"|que (?:iba a decir|le iba a decir|queria decir|mas|era)|cual era|cuando (?:era|fue eso)"
)
_PREFACE = (
    r"es que|o sea|digamos|este|pues|mire|mira|oiga|oye|fijese|fijate|vera|veras|sabe(?: que)?|le (?:cuento"
    r"|explico|comento)"
    r"|(?:mire|mira|bueno|pues) le (?:cuento|explico|comento)|lo que (?:pasa|sucede|ocurre|paso"
    r"|queria)(?: es)?"
    r"|el (?:tema|problema|asunto|caso) es|la (?:cosa|cuestion|verdad|duda) es|la verdad"
    r"|es una larga historia"
    r"|es (?:algo |un poco |muy )?(?:complicado|largo|dificil|raro|delicado)(?: de (?:contar|explicar"
    r"|decir))?|pues nada|bueno nada|no se si (?:me )?(?:puede|podria) ayudar(?:me)?"
    r"|a lo mejor me puede ayudar|una cosa"
    r"|otra cosa|una cosa mas|por cierto|antes de que se me olvide|no se como (?:explicarlo|decirlo|explicar)"
)
#: At the end of a text: more is to come.
THINKING = compiled(
    rf"\b{_FILLER}$|\b(?:{_MOMENT_PLEASE})(?: \w+){{0,2}}$|\b(?:{_SEARCHES})(?: (?:aqui|ahora|porfavor"
    rf"|bien))*$"
    rf"|\b(?:dejeme|deje|permitame|dejame|deja que|deje que|dejeme que) {one_of(_FIND)}(?: \w+){{0,4}}$"
    rf"|\b(?:{_TO_ONESELF})$|\S (?:{_PREFACE})$|^(?:{_PREFACE})$|\bno me acuerdo bien$"
    rf"|^(?:\w+ ){{0,4}}un {_MOMENT}(?: porfavor| que)?(?: \w+){{0,2}}$"
    rf"|^(?:{_FILLER} )+(?:bueno|pues|si|entonces|y|no se)$|^(?:\w+ ){{0,3}}como (?:era|se llamaba"
    rf"|se decia)(?: \w+)?$"
)
#: Anywhere: what stands behind it is judged for itself.
ALOUD = compiled(rf"\b(?:{_MOMENT_PLEASE}|{_SEARCHES}|(?P<self>{_TO_ONESELF}))\b")
#: What stands behind it and belongs to it, or only says why the caller needs a moment.
EXCUSE = compiled(
    r"^(?:que|si|es que|mi|mis|me|no|el (?:perro|bebe|timbre|telefono)|los niños|se|estoy|voy|tengo|lo tengo"
    r"|la tengo|esta"
    r"|para|porque|en|a|de|con|cual|cuando|donde|como|quien|cuanto|por|bien|ahora)\b"
)
#: The caller is back.
RESUMES = compiled(
    r"\b(?:(?P<ready>digame|ya puede|adelante|ya estoy|siga)|ya|listo|lista|aqui (?:esta|lo tengo|la tengo)"
    r"|si|ok|okay|ah"
    r"|bueno|ya (?:lo|la) (?:tengo|encontre)|(?:lo|la) (?:encontre|tengo aqui))\b"
)
