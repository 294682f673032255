"""English verbs that say nothing without their object, in all their forms, and where they stand last."""

from __future__ import annotations

from voice_runtime.listen.word_lists import Whole, inflected, one_of, rule
from voice_runtime.listen.words_en_classes import (
    ASKED_FOR,
    AUXILIARY,
    DETERMINER,
    FRONTED,
    LEAD,
    PRONOUN,
    SHORT,
    WH_WORD,
)

#: Of many more: those that callers of a desk use, and that no clause ends with.
_VERBS = inflected(
    "add allow arrange assign avoid bring- buy- carry catch- choose- contain cover create damage deny "
    "describe "
    "discuss dispute enjoy expect experience fill find- fix force get(t)- give- handle hate identify include "
    "inform install keep- lack lend- like locate love lower make- mention miss need notice obtain offer "
    "organize own owe "
    "prefer(r) prescribe process provide purchase put(t)- raise receive recommend record remove rent replace "
    "require "
    "reserve resolve review see- sell- send- share show- spend- submit suggest support swap(p) take- throw- "
    "transfer(r) treat upload use value verify want wear- reach attach collect contact consider correct "
    "deliver "
    "develop examine extend access assess authorize approve book charge claim clarify compare complete "
    "compare "
    "design detect determine disable dislike enclose enable finance follow hold- inspect introduce issue "
    "join lease "
    "list manage mark measure owe pass pick place post present produce protect query question recognize "
    "reduce "
    "refer(r) reject release report request revise schedule select serve supply target tell- test top(p) "
    "trace "
    "track trust turn update upgrade validate withdraw- witness"
)
#: Pasts that are no regular ones.
_PAST = "spent sold kept wore chose caught taught threw built hit put wrote stole lent bought sent withdrew"
_CLAUSE_ENDS = one_of(
    "hold turn join follow pass test report complain improve manage refer"
    " like serve deliver own book pick place complete question claim issue review record track list mark "
    "schedule"
    " update upgrade charge request query approve post process present transfer support fix fill release"
)

WANT_OBJECTS = (
    rule(
        Whole.OPEN, "a verb in any form that wants its object",
        rf"\b(?:to|not|i|we|you|they|i'll|we'll|you'll|they'll|i'd|we'd|don't|can't|didn't|couldn't|won't"
        rf"|doesn't|never"
        rf"|could|should|would|will|can|might|must|did|do|also|really"
        rf"|please) (?!{_CLAUSE_ENDS}$){one_of(_VERBS.base)}$",
        rf"\b(?:he|she|it|that|which|who|this|system|website|app|machine|letter|bill|doctor|card|account"
        rf"|insurance|policy"
        rf"|agent) (?:also |only |still |just |never |always |really )?{one_of(_VERBS.third)}$",
        rf"\b(?:i'm|we're|you're|he's|she's|they're|it's|am|is|are|was|were|be|been|of|about|by|without|keep"
        rf"|keeps|kept"
        rf"|start|started|stop|stopped|mind|finished|tried|not|just|still|also|currently|from|before|after"
        rf"|while|for) "
        rf"(?!booking$|wedding$|meaning$|processing$|turning$){one_of(_VERBS.gerund)}$",
        rf"\b(?:{PRONOUN}|{DETERMINER} \w+|who|that|have|has|had|i've|we've|they've|you've|just|already|also"
        rf"|never|even"
        rf"|hasn't|haven't|hadn't) {one_of(f'{_VERBS.past} {_PAST}')}$",
        unless=(
            FRONTED, ASKED_FOR, rf"^{LEAD}{WH_WORD}\b",
            r"\b(?:is|are|was|were|be|been|being|get|got|gets|getting|need|needs"
            r"|have it|has it|had it|have that|it|them|that|this)(?: (?:just|already|also|never|even|not|all"
            r"|still|been))* \w+ed$",
            rf"\b(?:{AUXILIARY}|{SHORT}) (?:\w+ )*(?:been|being|get|got) \w+$",
            r"\b(?:i|we|you|they) (?:\w+ )?(?:need|want|like|prefer|expect|see) (?:it|that|this|them|to"
            r"|too)?$",
            r"\b(?:as|than|if) (?:i|we|you|they|he|she|it) \w+$", r"\b(?:we'll|i'll|you'll|wait and|i) see$",
            r"\bwhere\b", r"\bno need$",
            r"\b(?:do|does|did|what|whatever|whichever|which|everything|anything|all)\b.* (?:i|you|we"
            r"|they|he|she)(?: \w+)? \w+$",
            r"\b(?:how|the way|the one|the ones|the \w+|a \w+|that|which|my \w+|your \w+) (?:that "
            r"|which )?(?:i|you|we|they|he|she"
            r"|it)(?:'ve|'d| have| had| just| already| really)* \w+$",
            r"\b(?:too|easy|hard|nice|ready|difficult|safe|able|late|cheap|expensive) (?:\w+ )?to \w+$",
            r"\b(?:is|are) (?:on|off|not) \w+ing$",
            r"\b(?:want|need|like|have|got|has|had|with) (?:me|you|him|her|it|that|this|them|one"
            r"|\w+ \w+) \w+ed$",
        ),
        catches="i'm experiencing / the letter mentions / i've been having trouble with and i also received "
            "/ she prescribed / "
        "we're renting / it includes / i keep getting / my doctor recommended",
        but_not="what do you recommend / it was delivered / the one i received / is it hard to install / i "
            "like it",
    ),
)  # fmt: skip
