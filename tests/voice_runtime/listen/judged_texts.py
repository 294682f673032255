"""Texts judged by hand: which are whole, which ask for more, which only listen."""

from __future__ import annotations

from voice_runtime.listen.completeness import Whole

COMPLETE = """
can i see doctor patel on tuesday
when are you open
what time do you open
where are you
how old is she
is this rash serious
are you a robot
um can you tell me your address
could you please call me back
if i come at nine can i park there
the red one can you show it to me
which insurance do you take
what should i bring
what about friday
yes
yes please
yes i do
no it isn't
no thank you
okay
mhm
that's right
at ten
at three thirty please
half past two
a quarter past three is fine
not before nine
on thursday
tomorrow at nine
monday or tuesday morning
march fourteenth nineteen eighty two
around two hundred dollars
three people
let me talk to a person
i would like to speak to someone
person please
operator
stop
thank you
thank you very much goodbye
cancel it
please move it to monday
two tickets please
doctor okafor please
when i was in your office i met doctor okafor
tomorrow at nine a m
five five five one two three four five six seven
my number is one five five five one two three four five six seven
my zip code is nine four one one oh
the last four are oh nine one two
it's jane at example dot com
can i see a doctor
Is the clinic closed on Friday?
Can I see Dr. Patel on Tuesday at 10:30 a.m.?
555-012-3456
"""
OPEN = """
can i see doctor
i would like an appointment with
i want to book an appointment and
i need to
um
yes uh
hold on
just a second please
let me look at my calendar
can you give me a moment to
my number is five five five
five five
five five five dash
nine
j o h
b as in boy
my name is spelled s m
my name is j
my zip code is nine four
where is the
can i see doctor patel on
i'm
what is
what i need is
my insurance is
i was wondering
she told me
do you know
if you have time on friday
when i was in your office
the last time we spoke
before i book it
i have another question
on wedn
so
on monday at nine no wait
I'd like to come on...
I would like, um,
555-012
five five five one two three four
"""
LIKELY = """
i would like an appointment
i have been waiting since monday
my name is rosa keller
the kitchen light is broken again
it's for my mother
are you open
we're coming on friday i think
"""
UNSURE = """
two bedrooms near the park
"""
BACKCHANNELS = [
    "mhm",
    "uh huh",
    "okay",
    "right",
    "okay right",
    "yeah yeah",
    "i see",
    "oh okay",
    "um",
    "Uh-huh.",
    "oh that's right",
    "yeah absolutely",
    "okay sounds good",
]
NOT_BACKCHANNELS = [
    "",
    "no",
    "stop",
    "okay stop",
    "i see doctor patel",
    "yes",
    "uh huh no",
    "what",
    "that's",
    "i know him",
    "that's right but",
]

SPANISH = {
    Whole.COMPLETE: """
a qué hora abren el sábado
a que hora abren
¿Cuánto cuesta un corte?
tiene lugar el martes
sí
sí por favor
claro que sí
no gracias
así es
a las diez y media
el martes por la tarde
mañana a las cuatro
el martes tres de marzo
cancele mi cita por favor
un corte por favor
cinco cinco cinco uno dos tres cuatro cinco seis siete
mi código postal es nueve cuatro uno uno cero
quiero hablar con una persona
muchas gracias
""",
    Whole.OPEN: """
quisiera
quiero una cita con
es para mi
este
déjeme ver
un momento por favor
mi número es cinco cinco cinco
tengo una pregunta
la última vez que fui
cuando llame ayer
no sé cuándo
mi cita es
el dolor empezó
""",
    Whole.LIKELY: """
necesito una cita
quiero un corte el viernes con ana
me llamo ana ruiz
""",
}


def cases(texts: str) -> list[str]:
    return texts.strip().splitlines()
