"""English sentences as callers speak them: which are whole, and of which one cannot tell."""

from __future__ import annotations

from voice_runtime.listen import words_en_values as values
from voice_runtime.listen.word_lists import Rule, Whole, one_of, rule
from voice_runtime.listen.words_en_classes import (
    AUXILIARY,
    DETERMINER,
    FINITE,
    IMPERATIVES,
    LEAD,
    PRONOUN,
    SHORT,
    STOP,
    SUBJECT,
    WH_BE,
    WH_WORD,
)
from voice_runtime.listen.words_en_open import BREAKS_OFF
from voice_runtime.listen.words_en_phrases import BEGUN, OFTEN_MORE
from voice_runtime.listen.words_en_verbs import WANT_OBJECTS

_MAY_GO_ON, _UNSURE, _COMPLETE, _LIKELY = Whole.MAY_GO_ON, Whole.UNSURE, Whole.COMPLETE, Whole.LIKELY

# -- one cannot tell --------------------------------------------------------------------------------------

_UNCERTAIN = (
    rule(
        _MAY_GO_ON, "what it asks about may be described further; whether one may, is to be followed by what",
        rf"\b(?:what|how) about {DETERMINER}(?: \w+){{1,3}}$", rf"^{LEAD}because\b",
        rf"\b(?!{SHORT}\b)[a-z]+'s$",
        r"\b(?:is it|would it be) (?:too late|better|necessary)$",
        catches="what about the early one / is it necessary / because my son is sick",
        but_not="what about friday / is it possible to come today",
    ),
    rule(
        _MAY_GO_ON, "this, and perhaps what; something, and perhaps which",
        r"\b(?:any|some|these|those)$",
        rf"\b(?:it's|is|take|for|took) (?:the|my|our|his|her) (?:{one_of(values.ORDINALS)}|last|other|same"
        rf"|only)$",
        rf"\b(?!{AUXILIARY}\b|like\b|about\b|do\b|of\b|for\b)\w+ this$",
        r"\b(?!call|tell|help|see|for|with|to|ask|contact|reach|about|from|is|and|meet|get\b)\w+ her$",
        r"\b(?:\w+ing|with|have|has|had|like|got|need|want|of|for|in|at|to) (?:this|these|those)$",
        r"\b(?:a|an|this|some) (?!building$|meeting$|morning$|evening$|wedding$|parking$|booking$"
        r"|cleaning$|filling$"
        r"|fitting$|viewing$|listing$|training$|ring$|thing$|string$|painting$|hearing$)\w+ing$",
        r"\b(?:to|can i|could i|can you|could you) (?:change|return|check|share|open|close|sign|read|pick"
        r"|drop|move"
        r"|join|switch|start|extend|lower|test|post|hear|try|set|enter|apply)$",
        unless=(rf"^{LEAD}{WH_WORD}\b",
        rf"\b(?:at|by|until|till|before|after|from) (?:about )?{values.NUMBER}$",
                r"\btable for \w+$", r"\b(?:like|about|of|for) this$"),
        catches="he likes to wear clothes like these / it's making a grinding "
        "/ i'd like to return",
        but_not="i come at ten / how about this / a table for four",
    ),
    rule(
        _MAY_GO_ON, "a noun with a clause of its own, and no verb",
        rf"^{LEAD}{DETERMINER}(?: (?!{AUXILIARY}\b)\w+){{1,3}} (?:that|who|which|where|i|we|you"
        r"|they|he|she)(?: \w+){1,4}$",
        catches="the appointment i have on friday / the house that is on cedar road / the lady who called me",
        but_not="the doctor is in / my husband said that he would like to come along as well",
    ),
    rule(
        _UNSURE, "a number, and perhaps what is counted",
        rf"\b(?:{FINITE}|{SHORT}|of|than|for|about|around|like|paid|least|most|over|under|the|nearly|almost) "
        rf"{values.NUMBER}$",
        unless=(
            rf"^{LEAD}{WH_WORD}\b", rf"\b(?:at|by|until|till|before|after|from) (?:about )?{values.NUMBER}$",
            r"\btable for \w+$",
        ),
        catches="i need two / the total is a hundred and forty nine",
        but_not="i come at ten / a table for four",
    ),
)  # fmt: skip

# -- it is whole ------------------------------------------------------------------------------------------

_IS_WHOLE = (
    rule(
        _COMPLETE, "a question word, a verb and more",
        rf"^{LEAD}{WH_WORD}(?: \w+)*? (?:{AUXILIARY}|{FINITE})(?: \w+)+$",
        rf"\b{WH_WORD}(?: \w+){{0,3}} {AUXILIARY} {SUBJECT}(?: \w+)*$",
        rf"^{LEAD}(?:{one_of(WH_BE)}|how come|why)(?: \w+)+$", r"\b(?:what|how) about(?: \w+)+$",
        catches="when are you open / how much is it / who takes my insurance / what's your address "
        "/ what about friday",
        but_not="what kind of insurance / how many",
    ),
    rule(
        _COMPLETE, "a question for yes or no, with what is asked",
        rf"^{LEAD}{AUXILIARY} \w+(?: \w+){{2,}}$", rf"\b{AUXILIARY} {PRONOUN}(?: \w+){{2,}}$",
        catches="is the office closed today / can i bring my dog / the house can i still see it",
        but_not="are you open / is it",
    ),
    rule(
        _COMPLETE, "a request",
        rf"^{LEAD}{one_of(IMPERATIVES)}(?: \w+)+$", r"\blet me know$",
        r"\b(?:talk|speak|talking|speaking) (?:to|with) (?:(?:a|an|the|some|any|your) )?"
        r"(?:(?:real|live|actual|human) )?(?:person|human|human being|operator|representative|receptionist"
        r"|nurse|doctor|someone|somebody|staff)\b",
        r"\b(?:put me through|transfer me|stop calling(?: me)?|help me)$",
        r"\bdot (?:com|net|org|edu|gov|us)$",
        catches="cancel my appointment / call me back / i would like to talk to a person / help me "
        "/ jane at example dot com",
        but_not="cancel / a call",
    ),
    rule(
        _LIKELY, "a short question",
        rf"^{LEAD}{AUXILIARY} (?!{DETERMINER}\b)\w+ \w+$", rf"^{LEAD}{AUXILIARY} {SUBJECT} \w+$",
        catches="are you open / is it free / do you deliver / are pets allowed",
        but_not="is my son",
    ),
    rule(
        _LIKELY, "a statement with subject, verb and more",
        rf"^{LEAD}(?:{PRONOUN}|this|that|these|those|there|nobody|somebody|someone|everyone"
        r"|everything) \w+(?: \w+)+$",
        rf"^{LEAD}{SHORT}(?: \w+)+$",
        rf"^{LEAD}(?:\w+ ){{0,2}}(?!{SHORT}\b|{one_of(WH_BE)}\b)[a-z]+'s (?:good|fine|great|perfect|best"
        rf"|better|okay|ok|broken"
        r"|blocked|stuck|flat|out|off|down|dead|cracked|missing|wrong|loose|fallen|frozen|locked|closed"
        r"|(?:not |been |just |still )*"
        r"[a-z]+(?:ing|ed))\b(?: \w+)*$",
        rf"^{LEAD}(?:{DETERMINER} \w+|{PRONOUN}|nobody|no one|someone|everyone|everybody) (?:hurts|aches"
        rf"|fell|broke|died"
        r"|left|came|stopped|expired|answered|works|leaks|crashed|arrived|called|happened|itches|burns"
        r"|changed|moved"
        r"|disappeared|failed|rang|helped)$", rf"^{LEAD}(?:\w+ ){{1,6}}?{FINITE}(?: \w+)+$",
        r"\b(?:no|sorry|wait) i (?:mean|meant)(?: \w+)+$",
        catches="my back hurts / nobody came / i need a new appointment / it's for my mother / the red one "
        "works for us "
        "/ sorry i meant the blue one",
        but_not="a table at the window / two children",
    ),
    rule(
        _LIKELY, "somebody or something, a verb by its ending, and more",
        rf"^{LEAD}{DETERMINER} (?:(?!{STOP}\b)\w+ ){{1,3}}(?:[a-z]{{2,}}(?:[^s]s|ed)|fell|broke|woke|got"
        rf"|went|came|left|took|made"
        r"|lost|found|kept|ran|sold|grew|bit|hit|cut|put|shut)(?: \w+){2,}$",
        catches="my daughter swallowed a small battery / the invoice shows a different amount",
        but_not="my daughter / the invoices",
    ),
    rule(
        _LIKELY, "a name or a thing, and no clause: an answer",
        rf"^{LEAD}(?:(?:just|only|maybe|probably|about|around|with|for|in|on|at|from|near|under|by"
        rf"|next to) )?"
        rf"(?:(?!{STOP}\b)\w+ ){{0,3}}(?!{STOP}\b)\w+$",
        catches="harold finch / savings / penicillin and peanuts / the black one / next to the station",
        but_not="two bedrooms and a garden close to a school / my son is",
    ),
)  # fmt: skip

RULES: tuple[Rule, ...] = (*BREAKS_OFF, *WANT_OBJECTS, *BEGUN, *OFTEN_MORE, *_UNCERTAIN, *_IS_WHOLE)
