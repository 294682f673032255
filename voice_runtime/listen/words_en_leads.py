"""English: sentences that are whole and only lead up to the matter, where nobody has asked anything.

Who rings says hello, who they are, what happened, what they hold; and then what they want (the "reason for
the call" of telephone openings: Schegloff 1986, The routine as achievement). As an answer the same words may
be all, so none of these rules applies to what was asked for.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import Whole, one_of, rule
from voice_runtime.listen.words_en_classes import AUXILIARY, DETERMINER, FINITE, LEAD, PRONOUN, TITLE
from voice_runtime.listen.words_en_values import NUMBER

_OPEN, _MAY_GO_ON = Whole.OPEN, Whole.MAY_GO_ON

#: Messages: from whom, or about what, is to come.
_MESSAGE = one_of(
    "letter email mail text message voicemail call notice notification invitation note reminder "
    "postcard fax alert warning"
)
#: Matters that a noun only names.
_MATTER = one_of(
    "question problem issue concern query complaint request situation thing enquiry inquiry trouble idea "
    "suggestion dilemma favor favour matter emergency"
)
#: What somebody has with the house that was rung: what is to be done with it is to come.
_HELD = one_of(
    "appointment reservation booking account order policy ticket flight prescription delivery subscription "
    "membership contract loan mortgage claim viewing consultation session tenancy lease room table card "
    "referral voucher coupon"
)
PERSON = one_of(
    "son daughter husband wife mother mom mum dad father brother sister boss doctor neighbor neighbour "
    "landlord roommate flatmate colleague kid kids child children partner girlfriend boyfriend guy lady man "
    "woman person driver nurse technician engineer plumber electrician manager agent receptionist dentist "
    "vet "
    "friend cousin uncle aunt nephew niece grandson granddaughter grandmother grandfather grandma grandpa "
    "assistant secretary waiter waitress hygienist pharmacist mechanic tenant guest fiance fiancee baby"
)
_PAST = (
    r"(?:\w+ed|got|went|came|had|took|made|found|bought|paid|told|said|saw|sent|left|lost|woke|thought|was"
    r"|were|did"
    r"|gave|put|fell|broke|brought|drove|ran|set|spoke|met|ate|kept|felt|heard|read|wrote|rang)"
)
_WHEN = (
    r"(?:today|yesterday|earlier(?: today| on| this week)?|this morning|last (?:week|month|year|night|time"
    r"|summer"
    r"|winter|spring|fall|autumn)|on \w+day|last \w+day|the other day|a (?:while|week|month|minute|few \w+"
    rf"|couple of \w+) (?:ago|back)|{NUMBER} \w+ ago|recently|before|back in \w+|in \w+|again)"
)
_NAME = r"(?!(?:is|a|an|the|not|very|about|calling|just|for|your|here)\b)[a-z']{2,}"
_HELLO = r"(?:hello|hi|hey|good (?:morning|afternoon|evening))"

LEADS_UP = (
    rule(
        _OPEN, "who is speaking, behind a greeting",
        rf"^(?:(?:yes|yeah|oh|um|uh|well|okay) )*{_HELLO}(?: (?:there|again|um|uh|yes|yeah|so))*"
        rf" (?:this is|it's|my name is|my name's|i'm|the name's"
        rf"|it is)(?: {TITLE})?(?: {_NAME}){{1,3}}(?: here| again"
        r"| speaking| calling)?(?: (?:from|with|over at|at|calling from|down at|in"
        r"|on behalf of)(?: \w+){1,4})?$",
        rf"^{LEAD}(?:this is|it's|my name is|my name's|i'm)(?: {TITLE})?(?: {_NAME}){{1,3}} (?:from|with"
        rf"|over at"
        r"|calling from|on behalf of)(?: \w+){1,4}$",
        rf"^{LEAD}(?:i'm|i am|we're|we are) (?:a|an|one of your|one of the|the)(?: \w+)? (?:patient|customer"
        rf"|client|tenant"
        r"|guest|member|resident|subscriber|passenger|cardholder|regular|leaseholder|owner|landlord"
        r"|neighbor)s?"
        r"(?: (?:there|here|of yours|of doctor \w+|at \w+|at the \w+|with you|in \w+ \w+))?$",
        unless=(
            r"\b(?:about|because|to (?:\w+))\b",
            r"\b(?:interested|in a hurry|in pain|in trouble|at work|at home)\b",
            r"^(?:\w+ )*i'm (?:in|on|at|with|from|so|really|fine|good|okay|sorry|sure|ready|done|calling)\b",
        ),
        catches="hi this is mary / good morning my name is john baker / hello it's mrs lane from the bakery "
        "/ i'm a patient there / hi there i'm sue from the bakery",
        but_not="this is mary / my name is maria delgado / hi i'm calling about my bill / it's really hot in "
            "here",
    ),
    rule(
        _OPEN, "a message, a matter, and not what it is about",
        rf"\b(?:a|an|this|another|some|one|this one|these|those|any other|two|several"
        rf"|few)(?: (?!{AUXILIARY}\b)\w+)? "
        rf"(?:{_MESSAGE}s?)(?: (?:from (?:you|you guys|your office|somebody|someone|them|the \w+|my \w+)"
        rf"|in the (?:mail|post)|{_WHEN}))*$",
        rf"\b(?:have|had|have got|i've got|we've got|there's|there is|there was|got|is|it's|with|having|was)"
        rf"(?: just| also| still)? (?:a|an|this|another|some|one|kind of a|sort of a|a bit of a|a few"
        rf"|a couple of|two|these)"
        rf"(?: \w+){{0,2}} {_MATTER}s?(?: {_WHEN})?$",
        rf"\b{_MATTER}s? with (?:my|the|our|your|a|this)(?: \w+){{1,3}}$(?<!now)",
        unless=(
            rf"^{LEAD}(?:is|are|was|were|do|does|did|can|could|would|will|have|has|what|when|where|who|why"
            rf"|how)\b",
            r"\b(?:not|no|isn't|wasn't|never|any|it's|that's|is that|is it) (?:a |an )?(?:\w+ )?(?:problem"
            r"|issue|question|thing"
            r"|emergency|idea|trouble|concern)$",
            r"\b(?:send|leave|give|write|sent|drop|want|need|like|left|expecting|waiting for|expect|make"
            r"|making|prefer|rather have) "
            r"(?:\w+ )?(?:a|an|another|the|this|some)\b", r"\bis (?:a|the) (?:\w+ )?(?:problem|issue)$",
        ),
        catches="i got a letter / i'm calling because i got an email from you / i've got this thing / we had "
            "a "
        "strange letter from your office yesterday / i have a bit of a situation / there was an issue with "
        "my order",
        but_not="can you send me an email / it's not a problem / is there a problem / please leave a message",
    ),
    rule(
        _OPEN, "what the caller holds, and not what is to be done with it",
        rf"^{LEAD}(?:(?:i|we)(?: just| already| also| actually| still)? (?:have|had|have got|got|made|hold"
        rf"|opened|placed|booked"
        rf"|rented|reserved)|(?:i've|we've)(?: already| just| actually)? (?:got|had|made|booked|placed)) "
        rf"(?:a|an|another|my|our|this|these|some|two|three)(?: (?!{AUXILIARY}\b)\w+){{0,2}} {_HELD}s?"
        r"(?: (?:with you|with you guys|there|here|already|booked|at your \w+|at the \w+|in your \w+"
        r"|open))*$",
        rf"^{LEAD}(?:it's|this is|it is|i'm calling|i'm phoning|i'm ringing|calling|i was calling"
        rf"|i'm writing)"
        rf"(?: actually| just| really)? (?:to do with|in regards to|regarding|in relation to|with regard to)"
        rf" {DETERMINER} \w+$",
        catches="i have an appointment / we've got a reservation / hi i had a booking with you / i placed an "
            "order",
        but_not="i need an appointment / do i have an appointment / i want to book a table",
    ),
    rule(
        _MAY_GO_ON, "a story that has begun",
        rf"^(?:(?:yes|yeah|okay|ok|oh|um|uh|right|hi|hello|well|and|but) )*(?:so|basically|so basically"
        rf"|so yeah|so uh|so um"
        rf"|long story short|what happened is|what happened was|so what happened (?:is|was)|see)"
        rf" (?:(?:basically|um|uh|like|yeah|actually|apparently|today|yesterday|this morning|last \w+"
        rf"|the other day) )*"
        rf"(?:{PRONOUN}|{DETERMINER} (?:\w+ )?\w+)(?: (?:just|actually|also|had|was|were|already|recently"
        rf"|originally|first))* "
        rf"{_PAST}(?: \w+){{0,6}}$",
        rf"^{LEAD}(?:i|we) (?:just |actually |already |was just |were just )*(?:called|rang|phoned|emailed"
        rf"|spoke|talked|was speaking"
        rf"|was talking|was chatting|got off the phone|wrote|came|went|stopped by|was|were|visited|stayed"
        rf"|dropped by)"
        rf"(?: (?:in|there|here|by|you|you guys|over|back|on the phone|online))*"
        rf"(?: (?:to|with|at|in) (?:one of )?(?:someone|somebody|you|you guys|a \w+|the \w+|your \w+"
        rf"|\w+)(?: (?:there|at \w+ \w+|in \w+ \w+))?)?"
        rf" {_WHEN}$",
        unless=(
            r"\b(?:and|so|but|because|to|asking|wondering)\b.*\b(?:now|still|need|needs|want|wants"
            r"|would like|can't|doesn't|don't"
            r"|didn't|isn't|hasn't|haven't|never|nobody|no one)\b",
            rf"^{LEAD}so (?:\w+ )?(?:was|were|did|i guess|i think)\b",
            r"\b(?:wanted|needed|wondering|wondered|hoping|calling) (?:to|if)\b",
            r"\b(?:was|were|am|i'm) (?:wondering|hoping|calling|thinking|looking|trying|born|charged|told)\b",
        ),
        catches="so i ordered the repeat prescription / so my husband took the car back / i called "
            "yesterday / "
        "we stayed with you last month / so basically the tenant moved out / i spoke to somebody on monday",
        but_not="so i need a new card / i was wondering if you are open / i was charged twice",
    ),
    rule(
        _OPEN, "somebody, or something with a clause of its own, and not what about it",
        rf"^{LEAD}(?:my|our|the|your|this|that|his|her)(?: (?!{FINITE}\b)\w+)? {PERSON}(?:'s \w+)?"
        rf"(?: (?:at|from|in|on|with) (?:the |my |your |our )?(?!{FINITE}\b)\w+)?$",
        rf"^{LEAD}(?:the|that|this|your|my)(?: (?!{FINITE}\b)\w+){{1,2}} (?:that |which |who )?(?:i|we|you"
        rf"|they|he|she)"
        rf"(?:'ve| have| had|'d)?(?: (?:just|already|originally|actually|recently))? (?!{AUXILIARY}\b)\w+"
        rf"(?: (?:me|us|to|in|for|with|at|from|on|of|about|you|him|her|by|up|out|back))*(?: {_WHEN})?$",
        unless=(r"\b(?:one|ones|thing)\b",
        r"\b(?:day|week|month|year|night|time|morning|moment|way) (?:i|we|you|they|he|she)\b"),
        catches="my daughter / the lady at the desk / the person i spoke to / the number you gave me / your "
            "colleague "
        "/ the form i filled in yesterday",
        but_not="the one i saw yesterday / my daughter is ill / the last time i was there",
    ),
)  # fmt: skip
