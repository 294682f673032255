"""Spanish: the grammar of listening ("ajá", "ah qué bien", "sí claro"). Values only.

Continuers, agreement, assessments and news receipts of Spain and Latin America, after the inventory of
conversational markers of Martín Zorraquino and Portolés, *Los marcadores del discurso* (Gramática descriptiva
de la lengua española, 1999, chapter 63); **no native speaker has reviewed it**. A bare "sí" is no part of it:
that answers. "Pues", "oiga", "mire" and "es que" announce a turn: they open nothing here.
"""

from __future__ import annotations

from voice_runtime.listen.listening import Listening

SPANISH_LISTENING = Listening(
    lists={
        "fine": (
            "bien|bueno|buena|buenisimo|buenisima|perfecto|perfecta|estupendo|estupenda|genial|excelente"
            "|fantastico|fantastica|maravilloso|maravillosa|magnifico|fenomenal|ideal|increible|interesante"
            "|curioso|lindo|linda|bonito|bonita|bello|hermoso|padre|padrisimo|chevere|chido|bacan|barbaro"
            "|guay|rico|impresionante|divino|espectacular|tremendo|formidable|regio|amable|facil|util"
            "|practico|comodo|gusto|alegria|maravilla|alivio|suerte|detalle|pena|lastima|considerado|atento"
            "|rapido|correcto|cierto|claro|logico|natural|normal|verdad|sencillo|rebueno|macanudo"
        ),
        "alone": (
            "perfecto|estupendo|genial|excelente|fantastico|maravilloso|magnifico|fenomenal|ideal|increible"
            "|interesante|chevere|chido|bacan|barbaro|guay|buenisimo|bueno|bien|padrisimo|impresionante"
            "|espectacular|lindo|divino|regio|formidable|macanudo|curioso|logico|natural|normal"
        ),
        "very": "muy tan bien mas super re todo bastante realmente",
        "told": "dijeron|dijo|explicaron|explico|contaron|avisaron|comentaron",
        "know": "entiendo|comprendo|veo|se|imagino|supongo|creo|recuerdo|noto|oigo|escucho|sigo",
        "for_that": (
            "por todo|por la informacion|por avisar|por avisarme|por la ayuda|por su ayuda|por explicarme"
            "|por la explicacion|por confirmar|por decirme|por su paciencia|por todo eso|a usted|a ti"
            "|de verdad"
        ),
    },
    alone="no como que porfavor",
    openers="si",
    tails=(
        "señor|señora|señorita|doctor|doctora|don|doña|joven|amigo|amiga|hombre|mujer|hijo|hija|mijo|mija"
        "|cariño|guapa|guapo|tio|tia|che|guey|wey|corazon|mi amor|mi vida|reina|jefe|maestro|licenciado"
        "|licenciada|si|entonces|pues|tambien|de verdad|verdad|eh|no mas|nomas|desde luego|linda"
    ),
    tokens=(
        "mhm/mhmm/mm/mmm/hm/hmm/aja/ajam/aha/ah/oh/uh/um/em/eh/uy/huy/ay/ok/okay/okey/claro/ya/vale/sale"
        "/orale/dale|uh huh|mm hm/mm|ja ja|jaja|ya ya"
        "|listo/simon/sip/sipi/andale/va/venga/oido/anotado/entendido/comprendido/enterado"
        "|claro/seguro que si|claro esta|si si|si señor/señora/señorita/doctor/doctora/hombre/mujer"
        "|por supuesto|desde luego|de acuerdo|de una|cuente con ello|como no|sin duda|sin problema"
        "|sin falta|faltaba mas|cabal|justo|exacto"
        "|exactamente/efectivamente/precisamente/totalmente/absolutamente/naturalmente/obvio/obviamente"
        "/seguramente|seguro/cierto/correcto/verdad/logico|en efecto|asi es/mismo|asi es la vida"
        "|asi me gusta|eso es/mismo|eso si|eso eso|tal cual|tal como dice|ni mas ni menos|no mas eso"
        "|con razon|a la orden|de nada|con gusto|mucho gusto"
        # -- assessments
        "|<alone>|muy/tan/super/bastante/mas/todo/re <very>* <fine>|que <very>* <fine> <very>? <fine>?"
        "|que gusto/alegria oirlo/escucharlo/saberlo?|esta/estan/estaria <very>* <fine>|es <very>* <fine>"
        "|es verdad/cierto/asi/correcto/logico|eso es <very>* <fine>|eso esta <very>* <fine>"
        "|suena <very>* <fine>|me parece <very>* <fine>|me alegra/alegro mucho?|me gusta mucho? eso?"
        "|me encanta|me sirve|me queda claro|queda claro|todo claro/bien/perfecto|tiene razon"
        "|tiene toda? la? razon|tiene usted razon|tienes razon|tiene sentido|tiene todo el sentido"
        "|menos mal|ni modo|ojala"
        # -- what the listener has in mind
        "|ya lo? le? te? <know>|ya caigo|ahora si? <know>|ahora caigo|si? ya me <told>"
        "|si? ya me lo <told>|todo claro|ya comprendi/entendi/vi"
        "|lo/le/la/te <know> <very>? perfectamente?|entiendo/comprendo/veo perfectamente/bien? <very>?"
        "|me imagino/supongo|me lo imagino/imaginaba|supongo/imagino que? si?|ya me imagino|creo que si"
        "|se lo agradezco|te lo agradezco|le agradezco mucho?"
        # -- thanks
        "|gracias <for_that>?|muchas/mil/muchisimas gracias <for_that>?|gracias muy amable|muy/que amable"
        "|muy/que amable de su parte|mil gracias|gracias gracias"
        # -- news
        "|vaya/anda/caramba/caray/ostras/hala/guau/wow/jolin/hijole/jesus|de verdad/veras|en serio"
        "|ah/oh/ay mira/caramba|madre mia|dios mio|ay dios|virgen santa|quien lo diria"
        "|mira/mire que <very>* <fine>|ah mire|mira tu|fijese/fijate nomas"
        # -- go on
        "|siga/sigue/continue/continua/prosiga/adelante|siga nomas|siga usted"
        "|lo/la/le/te escucho/sigo/oigo|soy todo oidos|digame/dime"
        # -- what begins like an objection, a question or a request
        "|no me diga/digas|no hay problema|no hay de que|no pasa nada|no se preocupe|no te preocupes"
        "|no importa|no faltaba mas|no esta mal|no sabia|no lo sabia|como dice|mire/mira nomas"
        "|imaginese/imaginate/figurese|pues si/claro/bien/bueno/vale/nada|pues muy bien|pues claro que si"
        "|a ver si|hombre claro|y tanto|tomese su tiempo|tranquilo/tranquila|la verdad que si"
        "|porfavor siga/continue/adelante|bien porfavor"
    ),
)
