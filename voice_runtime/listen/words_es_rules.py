"""Spanish sentences as callers in the United States speak them: where one breaks off, where one is whole.

Worded for this project and held to its own examples; **no native speaker has reviewed it**.
Words have no accents here (a recogniser may leave them out); ``ñ`` stays.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import Rule, Whole, one_of, rule
from voice_runtime.listen.words_es_numbers import DIGITS as DIGIT_WORDS
from voice_runtime.listen.words_es_numbers import NUMBERS

_OPEN, _UNSURE, _COMPLETE, _LIKELY = Whole.OPEN, Whole.UNSURE, Whole.COMPLETE, Whole.LIKELY

# -- classes of words -----------------------------------------------------------------------------------

FILLERS = "eh em mmm mm hmm hm eeh ehm um uh"
LEAD_INS = (
    f"{FILLERS} este pues bueno mire mira oiga oye ok okay y pero entonces ah oh ay hola buenas disculpe "
    "disculpa perdon perdone si no claro ahora tambien mejor ya gracias porfavor señor señorita señora"
)
ARTICLES = "el la los las un una unos unas"
DETERMINERS = (
    f"{ARTICLES} mi mis su sus tu tus nuestro nuestra nuestros nuestras este ese esa estos estas esos esas "
    "aquel aquella cada otro otra otros otras cualquier algun alguna ningun ninguna"
)
PREPOSITIONS = (
    "a al ante bajo con contra de del desde durante en entre hacia hasta para por segun sin sobre tras"
)
CONJUNCTIONS = (
    "y e o u pero ni que porque aunque mientras sino pues como sin embargo ademas excepto salvo menos"
)
_CLITICS = "me te se nos le les lo"
SUBJECTS = "yo tu usted ustedes ella ellos ellas nosotros nosotras"
QUESTION_WORDS = "que cual cuales cuando donde adonde quien quienes como cuanto cuanta cuantos cuantas"
#: Verbs that say nothing alone; most callers say "I" or "you", and leave the pronoun out.
VERBS = (
    "quiero quisiera quiere queremos querria necesito necesita necesitamos tengo tiene tienen tenemos tenia "
    "soy es son era eran fue fueron seria somos estoy estan estamos estaba he ha hemos han habia puedo "
    "puede pueden podemos podria podrian debo debe voy va van vamos iba busco buscamos llamo llamamos vengo "
    "estaba estuve estuvo queria deseo deseaba buscaba deberia tendria tenian necesitaba quisieramos ocupo "
    "aparece aparecen viven vive consiste depende incluyen incluye significa quedamos se supone "
    "hubo podriamos habian haya sea seria sera seran fuera "
    "venimos prefiero hago hace hacen hay habra dejo dan da doy pongo llevo lleva traigo uso pido pidio"
)
REPORTING = "dijo dice dijeron digo dijimos creo pienso supongo pregunto parece explico comento"
_INFINITIVES = (
    "ver hacer tener saber pedir preguntar comprar vender traer llevar poner dar decir buscar encontrar "
    "conseguir mandar enviar usar dejar recibir comprobar solicitar rentar alquilar arreglar reparar "
    "devolver "
    "entregar recoger agregar añadir quitar obtener averiguar revisar contratar reservar hablar"
)
#: Done to something, unless it was named before ("lo compré").
_DONE = (
    "compre pedi mande perdi recibi deje olvide puse traje hice dije encontre vi tuve compro pidio mando "
    "perdio "
    "recibio trajo hizo compramos pedimos mandaron dejaron pusieron enviaron cobraron dieron dieron hicieron "
    "receto dio prometieron prometio cobro toma tomo vendio llevo explico ofrecio ofrece recomendo entrego "
    "reserve contrate envie rompi rompio"
)
#: Infinitives, and what goes on, that may end a sentence.
_ENDS_IN = (
    "cancelar pagar ir venir salir llegar esperar hablar comer dormir caminar cambiar entrar volver "
    "regresar reservar "
    "preguntar ayudar trabajar manejar conducir viajar estacionar aparcar firmar empezar terminar "
    "continuar seguir "
    "descansar respirar nadar correr jugar estudiar aprender leer cocinar confirmar reprogramar agendar "
    "llamar "
    "registrar repetir participar subir bajar pasar quedar hoy ayer mujer alquiler taller mar bar lugar "
    "celular"
)
_HAPPENED = (
    "llegado ido venido salido terminado acabado pagado llamado cambiado muerto nacido caido pasado "
    "funcionado "
    "dormido comido cancelado empezado estado sido"
)
_GOING_ON = "lloviendo sangrando funcionando trabajando sonando llegando saliendo durmiendo comiendo llorando"
#: Nouns that a name or a number follows.
_NAMED = (
    "calle avenida plaza paseo colonia carretera carrera esquina numero piso puerta departamento apartamento "
    "edificio sala puerta vuelo terminal anden codigo bloque manzana lote kilometro"
)
TITLES = "doctor doctora dr dra señor señora sr sra señorita licenciado licenciada ingeniero"

_IMPERATIVES = (
    "cancele cancelela cancelelo cambie cambiela cambielo mueva muevala agende agendela reserve reservela "
    "deme dame digame dime mandeme envieme llameme llamenme comuniqueme paseme repita repitame ayudeme "
    "confirme confirmeme busque ponga pongame apunte anote quite borre espereme expliqueme"
)
_FIRST_IN_QUESTIONS = (
    "tiene tienen puede pueden podria podrian hay abren abre estan esta es son atienden aceptan hacen "
    "venden cobran da dan queda quedan cuesta cuestan sabe saben trabajan trabaja puedo "
    "podemos va van sirve ofrecen habla hablan toma toman cierra cierran incluye"
)
_FINITE_WORDS = (
    f"{VERBS} esta estaban gustaria llama llaman duele duelen funciona sirve queda quedo empezo llego vino "
    "trabaja vive viene cuesta parece esta vivo trabajo entiendo pague perdi compre llame llegue llegaron "
    "cancelaron recibi gusta tarda falta"
)

LEAD = f"(?:{one_of(LEAD_INS)} )*"
_VERB, _QUE, _FINITE, _TITLE = one_of(VERBS), one_of(QUESTION_WORDS), one_of(_FINITE_WORDS), one_of(TITLES)
_PREPOSITION, _CLITIC = one_of(PREPOSITIONS), one_of(f"{_CLITICS} la los las")
_ASKED = rf"^{LEAD}(?:{_PREPOSITION} )?{_QUE}\b"

_BREAKS_OFF = (
    rule(
        _OPEN, "an article, a possessive, a preposition or a conjunction at the end",
        rf"\b(?:{one_of(DETERMINERS)}|{_PREPOSITION}|{one_of(CONJUNCTIONS)})$",
        unless=(
            r"^(?:y )?(?:que|como|por que|para que|y eso que)$", r"^(?:no )?ademas$",
            r"\b(?:por lo|al|de|mas o|mucho|lo de) menos$", r"\bde embargo$",
            r"\b(?:ese|esa|esos|esas|otro|otra|cada uno)$",
            r"\b(?:para|con|de|en|a|por|es|tampoco) (?:este|ese|esa|otro|otra)$",
        ),
        catches="quiero una cita con el / es para mi / quiero dos y / no puedo porque / necesito que",
        but_not="por qué / quiero otra",
    ),
    rule(
        _OPEN, "if, whether; a conjunction and a noun without its verb; between one thing, and which other",
        r"\w+ si$", r"\b(?:si|porque|cuando|aunque|que) (?:el|la|los|las|mi|mis|su|sus|un|una) \w+$",
        r"\bentre (?!semana$|ellos$|nosotros$)(?:\w+ )?\w+$",
        unless=(
            r"\b(?:que|eso|pues|ahora|yo|claro|si|porque|bueno|ah|ay|oh|no|a ver|por) si$",
            r"\b(?:mas|mejor|igual|mayor|menor|lo mismo|antes|peor|menos|tiene|tengo|hay|otro"
            r"|otra) que (?:\w+ )?\w+$", r"\bmas \w+ que (?:\w+ )?\w+$",
            r"\bentre .*\by \w+$", rf"^{LEAD}{_QUE} (?:la|los|las) \w+$",
        ),
        catches="quería saber si / llámeme si / me dijeron que el coche / está entre juárez",
        but_not="creo que sí / es más caro que el otro / entre semana",
    ),
    rule(
        _OPEN, "a pronoun without its verb, or with an adverb alone",
        rf"\b(?:{one_of(_CLITICS)}|yo|nosotros|nosotras)$",
        r"\b(?:yo|el|ella|usted|ustedes|ellos|ellas|nosotros|que|y|pero|me|se|le|no) (?:siempre|nunca"
        r"|todavia|casi"
        r"|apenas|ya|solo|solamente|tambien|normalmente|generalmente|ultimamente|actualmente|realmente)$",
        unless=(r"\b(?:y|soy|ni|que|tampoco|tambien) (?:yo|nosotros)$", r"\bno (?:lo )?se$", r"^yo$",
                r"\b(?:no|y|pero|que) (?:ya|tambien|siempre|nunca|solo|todavia)$"),
        catches="yo siempre / me puede dar el número que me / entonces yo / quisiera que le",
        but_not="no sé / soy yo",
    ),
    rule(
        _OPEN, "a verb without what it needs",
        rf"\b(?:{_VERB}|{one_of(_INFINITIVES)}|gustaria|interesaria|acabo|tratando|pensando|buscando"
        r"|llamando|\w+ esta)$", rf"\b{one_of(_DONE)}$",
        unless=(
            _ASKED, rf"^{LEAD}(?:si|no|claro que si) (?:\w+ )?(?:{_VERB})$",
            r"\b(?:lo que|cuando|(?<!saber )(?<!ver )(?<!se )(?<!preguntar )si) (?:\w+ )?\w+$",
            r"\b(?:lo|la|los|las|se|asi|ahi|aqui|como|donde|eso)(?: ya| no| te| le)? \w+$",
            r"\b(?:ya|no) esta$",
            rf"\b(?:lo|la|los|las|se) \w+ {one_of(_INFINITIVES)}$",
            rf"\b(?:que|el que|la que) (?:yo |usted )?{one_of(_DONE)}$",
            r"\b(?:no|si) hay$", r"\ba ver$",
        ),
        catches="quisiera / mi cita es / quiero ver / me gustaría / estoy llamando / mi número es",
        but_not="cuánto es / qué necesito / sí puedo / no hay",
    ),
    rule(
        _OPEN, "an infinitive without its object, what is being done without to what; you, and nothing of it",
        rf"\b(?:quiero|quisiera|necesito|puedo|puede|podria|queria|queremos|gustaria|voy a|va a|vamos a"
        rf"|iba a|debo"
        rf"|tengo que|tiene que|hay que|para|acabo de|trato de|tratando de|podemos|sabe como|antes de|sin)"
        rf" (?:usted |yo )?(?!{one_of(_ENDS_IN)}$)[a-zñ]+(?:ar|er|ir)$",
        rf"\b(?:estoy|esta|estamos|estan|estaba|llevo|llevamos|sigo|seguimos|ando) (?!{one_of(_GOING_ON)}$)"
        r"[a-zñ]+(?:ando|iendo|yendo)$",
        r"\b(?:puede|podria|quiere|sabe|tiene|cree|pueden|podrian|quieren|saben|tienen|me|le|si|que|cuando"
        r"|porque|y|esta)"
        r" (?:usted|ustedes)$",
        r"\b(?:me|se|le|nos|te)(?: lo| la| los| las)? (?:puede|pueden|podria|podrian|puedes|podrias|quiere"
        r"|va|iba|han|ha"
        r"|habia|habian|voy)$",
        r"\b(?:y|pero|o|porque) (?:tambien|ademas|entonces|luego|quizas|tal vez|solo)$",
        r"\blo que (?:\w+ ){1,4}(?:es|era|fue|seria)$", r"\bque (?:alguien|nadie|el|ella|usted|ustedes)$",
        r"\b(?:mucha|muchas|muchos|varias|varios|demasiada|demasiadas|demasiados|tanta|tantos|tantas|poca"
        r"|pocas|pocos)$",
        rf"(?<!lo )(?<!la )(?<!se )\b(?:he|has|ha|hemos|han|habia|habian) "
        rf"(?!{one_of(_HAPPENED)}$)\w+(?:ado|ido|cho|sto|rto)$",
        r"\b(?:me|nos|le|les) (?:deja|dejan|permite|permiten|pide|piden|falta|faltan|interesa|toca"
        r"|mandaron|cobraron"
        r"|dieron|hace falta)$",
        unless=(rf"^{LEAD}(?:{_PREPOSITION} )?(?:que|cual|cuales|cuando|cuant[oa]s?)\b",
        r"\b(?:y|que|como esta) usted$"),
        catches="quisiera consultar / estoy intentando / podría usted / lo que pasa es",
        but_not="quiero cancelar / y usted / está lloviendo",
    ),
    rule(
        _OPEN, "what somebody says or thinks is to come",
        rf"\b{one_of(REPORTING)}$",
        unless=(_ASKED, r"\b(?:eso|asi|como) \w+$"),
        catches="la doctora dijo / creo / me parece",
        but_not="qué dijo / eso creo",
    ),
    rule(
        _OPEN, "a title without its name",
        rf"\b{_TITLE}$",
        unless=(rf"\b(?:{one_of(DETERMINERS)}|gracias|si|no|que|hola) {_TITLE}$",),
        catches="quiero una cita con doctora / con señor",
        but_not="quiero ver a la doctora / sí señor",
    ),
    rule(
        _OPEN, "a street, a number, without its name",
        rf"\b(?:es|en|la|el|a|al|con|de|y|por|\w+z|calle \w+|avenida \w+) {one_of(_NAMED)}$",
        unless=(
            rf"^{LEAD}(?:en |de |a )?(?:que|cual)\b",
            r"\b(?:cual es|dice|cambiar|mando|tengo|tiene|dar|doy) (?:el|la) \w+$",
            r"\b(?:de|el) (?:vuelo|edificio|departamento|apartamento)$", r"\b(?:mi|su) \w+$",
        ),
        catches="vivo en la calle / es la avenida / vivo en la calle juárez número",
        but_not="en qué calle / cuál es el código",
    ),
    rule(
        _OPEN, "that it began, and not when",
        r"\w+ (?:empezo|comenzo|ocurrio|sucedio|duro)$|^(?:empezo|comenzo)$",
        unless=(_ASKED, r"\b(?:desde que|cuando|antes de que)\b"),
        catches="el dolor empezó / todo comenzó",
        but_not="cuándo empezó / desde que empezó",
    ),
    rule(
        _OPEN, "an adverb that belongs to what follows",
        r"^(?:muy|tan|casi|aproximadamente|alrededor)$",
        r"\w+ (?:muy|casi|solo|solamente|mas o menos|tan|tal vez|quiza|quizas|talvez|proximo|proxima"
        r"|por lo menos|al menos|como minimo|por ejemplo|sobre todo|ademas de)$",
        unless=(r"\b(?:no|uno|una|dos) (?:solo|solamente)$",),
        catches="es muy / quisiera tal vez / el próximo",
        but_not="muy bien",
    ),
    rule(
        _OPEN, "a question word, and not the question",
        rf"\w+ {one_of('cuando donde cuanto cuanta cuantos cuantas cual quien')}$",
        unless=(r"^(?:y|para|desde|hasta|a|con|de|por|por el) \w+$",),
        catches="me puede decir cuándo / no sé cuál / quiero saber cuánto",
        but_not="y cuándo / desde cuándo",
    ),
    rule(
        _OPEN, "more is announced than was said",
        r"\b(?:una|dos|tres|otra|unas|varias|un par de) (?:\w+ )?(?:preguntas?|cosas?|dudas?)"
        r"(?: mas| nada mas)?$",
        r"\b(?:dos|tres|unas|varias|un par de) (?:preguntas|cosas|dudas)\b",
        r"\b(?:es lo siguiente|por ejemplo|le explico|fijese|se escribe|se deletrea|le cuento|punto|guion"
        r"|arroba)$",
        rf"^{LEAD}(?:mi|el) (?:numero|nombre|telefono|codigo|correo|apellido|direccion)(?: de \w+| postal)?$",
        r"^(?:(?:y|pero|entonces|pues|o|ademas|tambien|bueno) )*(?:y|pero|entonces|pues|o|ademas)$",
        unless=(
            r"\b(?:preguntas|cosas|dudas)\b.*\b(?:y|tambien|ademas|la otra|despues)\b",
            r"\bno tengo \w+ preguntas$",
        ),
        catches="tengo una pregunta / tengo dos preguntas a qué hora abren / mi número de teléfono / "
        "se escribe",
        but_not="tengo dos preguntas a qué hora abren y dónde están",
    ),
    rule(
        _OPEN, "taken back, to be said anew",
        r"\w+ \w+ (?:perdon|digo|mejor dicho|no espere|espere no|o sea|no|bueno no|no perdon|espere"
        r"|mentira)$",
        r"\b(\w{2,}(?: \w+)?) \1$",
        unless=(
            r"\b(?:que|o|por que|ahora|hoy|todavia|claro|yo|mejor|pues|aun|tampoco|como|este|esta|esa|ese"
            r"|creo"
            r"|mañana|porfavor|gracias|verdad) no$", r"\b(?:muy muy|si si|no no|mucho mucho)$",
            rf"^(?:(?:{'|'.join(DIGIT_WORDS.split())}) ?)+$", r"\b(?:le|les|se lo|yo) digo$",
        ),
        catches="a las siete no / es una es una / el martes a las dos perdón / quiero el lunes digo",
        but_not="perdón / creo que no",
    ),
)  # fmt: skip

_MAY_GO_ON = (
    rule(
        _UNSURE, "a number, and perhaps what is counted; something more, and perhaps what; it would be good",
        rf"\b(?:{_VERB}|de|como|unos|unas|por|cuesta|cuestan|costo|pague|[a-z]+(?:ar|er|ir)) {NUMBERS}$",
        r"\b(?:algo|alguien) mas$",
        rf"^{LEAD}(?:estaria|seria) (?:muy )?(?:bien|mejor|bueno|posible)$",
        unless=(rf"\b(?:a las?|a eso de las?) {NUMBERS}$", rf"^{LEAD}algo mas$", rf"^{LEAD}{_QUE}\b"),
        catches="son doscientos / tiene usted algo más / sería mejor",
        but_not="a las dos / algo más",
    ),
)  # fmt: skip

_IS_WHOLE = (
    rule(
        _COMPLETE, "a question word, a verb and more",
        rf"^{LEAD}(?:{_PREPOSITION} )?{_QUE}(?: \w+)+$",
        unless=(
            r"^(?:\w+ )*?(?:cuando|como|donde|que) (?:yo|estuve|fui|llame|vine|llegue|hable|pueda|tenga)\b",
        ),
        catches="a qué hora abren / cuánto cuesta un corte / dónde están / cómo llego",
        but_not="cuando estuve ahí / un corte",
    ),
    rule(
        _COMPLETE, "a question for yes or no, with what is asked; a request",
        rf"^{LEAD}(?:no )?(?:{_CLITIC} )?{one_of(_FIRST_IN_QUESTIONS)}(?: \w+){{2,}}$",
        rf"^{LEAD}{one_of(_IMPERATIVES)}(?: \w+)+$",
        r"\bhablar con (?:(?:un|una|el|la|algun|alguna) )?(?:persona|alguien|operador|operadora|recepcionista"
        r"|humano)\b",
        r"\bpunto (?:com|net|org|edu)$",
        catches="tiene lugar el martes / me puede dar una cita / cancele mi cita por favor / quiero "
        "hablar con una persona",
        but_not="tiene lugar / una cita",
    ),
    rule(
        _LIKELY, "a statement with its verb and more; a short question",
        rf"^{LEAD}(?:(?:no|ya|nadie)(?: {one_of(_CLITICS)}){{0,2}}|(?:no )?(?:me|se"
        rf"|nos)) (?!{_VERB}$)[a-zñ]{{3,}}(?: \w+)*$",
        rf"^{LEAD}(?:yo )?(?:no )?(?:{_CLITIC} )?(?:{_FINITE})(?: \w+)+$",
        rf"^{LEAD}(?:\w+ ){{1,5}}?{_FINITE}(?: \w+)+$",
        rf"^{LEAD}(?:{_CLITIC} )?{one_of(_FIRST_IN_QUESTIONS)} \w+$",
        catches="necesito una cita / me llamo ana ruiz / mi nombre es ana / quiero un corte el viernes "
        "/ abren hoy",
        but_not="el martes / dos personas",
    ),
)  # fmt: skip

_ANSWERS = (
    rule(
        _LIKELY, "somebody or something, a verb by its ending, and more; a name or a thing, and no clause: "
            "an answer",
        rf"^{LEAD}{one_of(DETERMINERS)} (?:(?!{_VERB}\b|que\b|si\b)\w+ ){{1,3}}(?:(?:ya|me|se|nos|le|no|lo"
        rf"|la) )*"
        r"[a-zñ]{2,}(?:o|io|aron|ieron|aba|ia|an|en)(?: \w+){1,}$",
        rf"^{LEAD}(?:(?:a nombre de|en|con|para|por|de|solo|como) )?(?:(?!{_VERB}\b|{_QUE}\b|si\b"
        rf"|no\b)\w+ ){{0,3}}"
        rf"(?!{_VERB}\b|{_QUE}\b|si\b|no\b)\w+$",
        catches="en efectivo / a nombre de lucía ferrer / la segunda opción / mi marido ya firmó el contrato",
        but_not="dos habitaciones cerca del parque con balcón / no",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (*_BREAKS_OFF, *_MAY_GO_ON, *_IS_WHOLE, *_ANSWERS)

_PERSON = one_of(
    "hijo hija marido esposo esposa mujer madre padre mama papa hermano hermana jefe jefa doctor doctora "
    "vecino vecina "
    "casero casera novio novia amigo amiga compañero compañera abuelo abuela suegra suegro señora señor "
    "persona tecnico "
    "enfermera medico chico chica"
)
_HELLO = r"(?:hola|buenos dias|buenas tardes|buenas noches|buenas|buen dia)"
LEADS_UP: tuple[Rule, ...] = (
    rule(
        _OPEN, "who is speaking, behind a greeting",
        rf"^(?:(?:si|eh|ah|bueno) )*{_HELLO}(?: (?:hola|que tal|mire|buenas|disculpe))*(?: (?:soy|me llamo"
        rf"|mi nombre es|le habla"
        rf"|habla|le llama|aqui))+(?: {_TITLE})?(?: (?!de\b|un\b|una\b)[a-zñ]{{2,}}){{1,3}}(?: (?:de|del"
        rf"|desde)(?: \w+){{1,4}})?$",
        catches="hola soy marta / buenos días me llamo ana ruiz de la panadería",
        but_not="me llamo ana ruiz / hola quiero una cita",
    ),
    rule(
        _OPEN, "a message, a matter, what the caller holds, and nothing about it",
        r"\b(?:recibi|recibimos|llego|tengo|tenemos|tenia|hay|hubo|hice|hicimos|mandaron"
        r"|enviaron) (?:\w+ )?(?:una?|mi|otra?|este|esta"
        r"|cierto) (?:\w+ )?(?:carta|mensaje|correo|email|aviso|notificacion|llamada|multa|problema|duda"
        r"|consulta|pregunta|queja"
        r"|inconveniente|situacion|cita|reserva|reservacion|pedido|cuenta|poliza|contrato|billete|vuelo"
        r"|receta)"
        r"(?: (?:de (?:ustedes|su oficina|parte de ustedes)|con ustedes|hoy|ayer|esta mañana"
        r"|la semana pasada))*$",
        unless=(rf"^{LEAD}(?:{_QUE}|me|puede)\b", r"\bno (?:tengo|hay|tenemos|recibi|hubo)\b"),
        catches="recibí una carta de ustedes / tengo una cita / tengo un problema / hice una reserva",
        but_not="no tengo cita / quiero una cita",
    ),
    rule(
        _OPEN, "somebody, or something with a clause of its own, and not what about it",
        rf"^{LEAD}(?:mi|el|la|su|nuestro|nuestra|este|esta) (?:\w+ )?{_PERSON}(?: (?:mi|el|la) {_PERSON}"
        rf"| de \w+(?: \w+)?)?$",
        rf"^{LEAD}(?:el|la|los|las) (?!que\b|ultima\b|proxima\b|primera\b)\w+ que (?:(?:me|yo|nos|le|se"
        rf"|usted) )*\w+"
        r"(?: (?:ayer|hoy|la semana pasada|por telefono|el lunes|en la oficina))?$",
        catches="mi hija / mi marido mi hijo / la persona que me atendió / el número que me dieron",
        but_not="la que me gusta / mi hija tiene fiebre",
    ),
    rule(
        Whole.MAY_GO_ON, "a story that has begun",
        r"^(?:(?:si|bueno|hola|ok|este|eh) )*(?:entonces|resulta que|pues|mire|es que|lo que paso es que"
        r"|fijese que)"
        r" (?:\w+ ){0,4}\w+(?:e|i|o|aron|ieron|imos|amos|aba|ia)(?: \w+){0,6}$",
        unless=(r"\b(?:quiero|quisiera|necesito|puedo|puede|tengo|queria|no|creo|seria|gustaria)\b",),
        catches="resulta que compré una lavadora / entonces mi marido llamó ayer",
        but_not="pues quiero una cita / compré una lavadora",
    ),
)  # fmt: skip
