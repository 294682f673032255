"""English numbers, times, dates and short answers, as regular expressions on words."""

from __future__ import annotations

from voice_runtime.listen.word_lists import one_of

DAYS = "monday tuesday wednesday thursday friday saturday sunday"
MONTHS = "january february march april may june july august september october november december"
DIGITS = "zero oh o one two three four five six seven eight nine"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
PAIRS = f"{TENS} {_TEENS}"

ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth"
)
_DIGIT, _TEN, _PAIR, ORDINAL = one_of(DIGITS), one_of(TENS), one_of(PAIRS), one_of(ORDINALS)
_MONTH, _WEEKDAY = one_of(MONTHS), one_of(DAYS)
_FIGURES = "[0-9]+"
_NUMBER_WORD = rf"(?:{_DIGIT}|{_PAIR}|hundred|thousand|million|half|a|quarter|point|{_FIGURES})"
NUMBER = rf"{_NUMBER_WORD}(?: (?:and )?{_NUMBER_WORD})*"
UP_TO_99 = rf"(?:{_TEN} {_DIGIT}|{_PAIR}|{_DIGIT})"

# -- times --------------------------------------------------------------------------------------------

_HOUR = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|midnight"
    r"|[0-9]{1,2}(?::[0-9]{2})?(?:am|pm)?)"
)
_MINUTES = rf"(?:o'clock|oh {_DIGIT}|{_TEN}(?: {_DIGIT})?|{one_of(_TEENS)}|[0-9]{{2}})"
_HALF = r"(?:a m|p m|am|pm|in the (?:morning|afternoon|evening)|at night|sharp)"
_TIME = (
    rf"(?:(?:(?:a |the )?(?:quarter|half)|ten|twenty|five) (?:past|to|after) {_HOUR}|{_HOUR}(?: {_MINUTES})?)"
    rf"(?: {_HALF})?"
)

# -- days and dates -----------------------------------------------------------------------------------

_PART = r"(?:morning|afternoon|evening|night|noon|lunch|lunchtime)"
_SPAN = r"(?:days?|weeks?|months?|years?)"
_DAY = (
    rf"(?:(?:(?:next|this|this coming|every|any|last) )?{_WEEKDAY}s?(?: {_PART})?"
    rf"|(?:today|tomorrow)(?: {_PART})?"
    rf"|(?:sometime )?(?:in|around|early|late|next|last|this|mid) (?:early |late |mid )?{_MONTH}"
    rf"|first thing(?: in the morning)?(?: (?:on )?{_WEEKDAY}| tomorrow)?"
    rf"|tonight|yesterday|the day after tomorrow|(?:next|this|last) (?:{_SPAN}|{_PART}|weekend)|the weekend"
    rf"|(?:any time|anytime|any day)|as soon as possible|the (?:morning|afternoon|evening)|right now"
    rf"|in (?:{NUMBER}|a couple of|a few) {_SPAN}|(?:{NUMBER}|a couple of|a few) {_SPAN}(?: ago)?)"
)
#: "nineteen eighty two", "twenty twelve", "two thousand and four", "1982".
YEAR = (
    rf"(?:(?:nineteen|twenty) (?:oh {_DIGIT}|{_PAIR}(?: {_DIGIT})?|hundred)"
    rf"|two thousand(?: (?:and )?{UP_TO_99})?|(?:19|20)[0-9]{{2}})"
)
OF_MONTH = rf"(?:the )?(?:(?:twenty |thirty )?(?:{ORDINAL}|{_DIGIT})|{_PAIR}|[0-9]{{1,2}}(?:st|nd|rd|th)?)"
DATE = (
    rf"(?:{_MONTH} {OF_MONTH}(?: (?:of )?(?:{YEAR}|{UP_TO_99}))?"
    rf"|(?:the )?(?:twenty |thirty )?{ORDINAL} of {_MONTH}(?: (?:{YEAR}|{UP_TO_99}))?"
    rf"|the (?:twenty |thirty )?{ORDINAL}|{_MONTH} {YEAR}|[0-9]{{1,2}}/[0-9]{{1,2}}(?:/[0-9]{{2,4}})?)"
)
#: Every word of a number, with ``|`` between.
WORDS_OF_NUMBERS = "|".join(f"{DIGITS} {PAIRS} hundred thousand and".split())
_NEAR = (
    r"(?:(?:not|only|maybe|at|on|in|by|around|about|after|before|until|since|from|for|like|probably|sometime"
    r"|either|even|more|just) )*"
)
_ONE_TIME = rf"{_NEAR}(?:{_DAY}|{DATE}|{_TIME})(?: {_NEAR}(?:{_DAY}|{DATE}|{_TIME}))?"
_SUITS = (
    r"(?:is|would be|sounds|works|will be|will work|would work)"
    r"(?: (?:fine|good|great|better|best|perfect|okay|ok))?"
)
#: A day, a time, several of them.
WHEN = (
    rf"{_ONE_TIME}(?: (?:and|or|to|through)(?: then)? {_ONE_TIME})*"
    rf"(?: {_SUITS}(?: for (?:me|us))?)?"
)

# -- short answers ------------------------------------------------------------------------------------

_AGREES = one_of(
    "yes yeah yep yup no nope nah sure correct right exactly okay ok fine absolutely definitely certainly "
    "perfect alright"
)
_GOOD = one_of(
    "right|fine|correct|wrong|good|great|perfect|all|it|okay|ok|everything|wonderful|lovely|enough|not right"
    "|not correct"
)
_IS_SO = (
    r"(?:that's|that is|it's|it is|that'd be|that'll be|that would be|that will be|that sounds|sounds) "
    rf"{_GOOD}"
    r"(?: (?:for me|for us|then|for now|for today))?"
)
_SHORT_CLAUSE = one_of(
    "i do|i don't|i am|i'm not|i will|i won't|i can|i can't|i would|i wouldn't|i have|i haven't|i did"
    "|i didn't|it is|it isn't|it's not|that is|that isn't|it was|it wasn't|it does|it doesn't|we do|we don't"
    "|we are|we aren't|we're not|we have|we haven't|he is|he isn't|she is|she isn't|they are|they aren't"
    "|there is|there isn't"
)
_STANCE = one_of(
    "i think so|i don't think so|i guess so|i believe so|i hope so|that works|this works|it works"
    "|that works for me|that works for us|go ahead|please do|of course"
    "|of course not|not really|not yet|not at all|not today|not now|not right now|never mind|all right"
    "|no problem|no idea|book it|do it|i understand|i agree"
)
_UNDECIDED = one_of("i don't know|i'm sure|i'm not sure|not sure|maybe|probably|probably not|you can")
#: To a question for yes or no.
YES_NO = (
    rf"(?:{_AGREES}|{_IS_SO}|{_STANCE}|{_UNDECIDED}|{_SHORT_CLAUSE})"
    rf"(?: (?:{_AGREES}|{_IS_SO}|{_STANCE}|{_SHORT_CLAUSE}|please|not|too))*"
)
_COURTESY = one_of(
    "thank you|thanks|thank you very much|thank you so much|thanks a lot|many thanks|i appreciate it|you too"
    "|same to you|good morning|good afternoon|good evening|good night|hello|hi|hey|goodbye|good bye|bye"
    "|bye bye|take care|excuse me|have a nice day|have a good day|have a great day|have a good one"
    "|have a good evening|have a nice weekend|have a good weekend|see you|see you then|see you soon"
    "|see you tomorrow|see you later"
)
_WISHES = one_of(
    "stop|cancel|cancel it|cancel that|help|pardon|again|say again|say that again|come again|repeat"
    "|repeat that|nothing else|nothing|none|neither|never|i'm all set|i'm good|i'm fine|i'm done|i'm sorry"
    "|i'm ready|person|human|operator|agent|representative|receptionist|reception|front desk|a person"
    "|a human|a real person|real person|a representative|the receptionist|the operator|the front desk"
)
_ABOUT = one_of(
    "it's|it is|that's|just|only|about|around|under|over|up to|less than|more than|at most|at least|maybe"
)
_COUNTED = one_of(
    "dollars bucks cents percent people persons bedroom bedrooms bathrooms children kids adults minutes "
    "hours miles"
)
#: Whole, whatever was asked.
ANSWERS = (
    rf"(?:{_AGREES}(?: (?:{_AGREES}|{_IS_SO}|{_STANCE}|{_SHORT_CLAUSE}|please))*|{_IS_SO}|{_STANCE}"
    rf"|{_COURTESY}(?: {_COURTESY})*|{_WISHES}|(?:{_ABOUT} )*{NUMBER} (?:{_COUNTED}|years old|of us))"
)
QUANTITY = (
    rf"(?:(?:{_ABOUT}|there are|there will be|we are|we're|for|i'm) )*"
    rf"(?:{NUMBER}(?: (?!and\b|or\b)\w+)?|none|a couple|a few|a dozen|both|alone|myself|just me)"
)
_WANTED = one_of(
    "i'll take|i'd like|i want|let's do|let's take|give me|the|that|this|with|on|at|i'd prefer|i prefer"
)
_ONE = one_of(
    "first second third fourth last latter former other earlier later earliest latest next cheaper bigger "
    "smaller morning afternoon"
)
PICKS = (
    rf"(?:{_WANTED} )*(?:{_ONE}(?: (?:one|option|choice|time|slot|two))?"
    r"|(?:either|neither|any)(?: one| of them)?"
    r"|(?:both|all|none)(?: of them)?|all three|it doesn't matter|that one|this one|i don't mind)"
)
