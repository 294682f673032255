"""English phrases that have begun: of a verb with more than one part, of a noun's group, of an aim that is "
"told.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import Whole, one_of, rule
from voice_runtime.listen.words_en_classes import (
    ADVERBS,
    ASKED_FOR,
    AUXILIARY,
    DETERMINER,
    FRONTED,
    INTRANSITIVE,
    LEAD,
    LEAD_INS,
    PRONOUN,
    WH_WORD,
)
from voice_runtime.listen.words_en_leads import PERSON
from voice_runtime.listen.words_en_values import NUMBER

_OPEN = Whole.OPEN

#: They describe a noun and are seldom one themselves.
_MODIFIERS = one_of(
    "debit credit dental medical washing driving dining living swimming waiting boarding direct standing "
    "birth "
    "postal social repeat gluten air front rear driver's passenger's checking carbon smoke spare contact "
    "ground "
    "annual monthly weekly next following final latest existing temporary permanent joint shared emergency "
    "flexible "
    "vegetarian vegan organic electric electronic online local nearest closest earliest cheapest correct "
    "right "
    "left-hand hand second-hand brand high low upper lower middle outside inside northbound southbound"
)
#: One thing of so many: "a ten minute …".
_UNIT = one_of(
    "minute hour day week month year dollar pound euro mile foot inch star door seater piece person page "
    "litre "
    "liter gallon bed percent pence cent"
)
#: No object follows these.
_ALONE = one_of(
    "works hurts leaks expired arrived stopped started called left came died broke moved changed happened "
    "helped agreed cancelled canceled failed crashed disappeared rang answered drips squeaks smells sleeps "
    "snores lives retired resigned fainted collapsed cries coughs vomited passed waits cancels smokes drinks "
    "drives comes goes knows is has does was closed opened finished applied asked replied complained closes "
    "opens "
    "'s this yes bus its us less news always perhaps sometimes besides afterwards towards downstairs "
    "upstairs overseas "
    "need indeed red bed used hundred tired bored scared worried excited married retired injured pleased "
    "confused "
    "parents kids friends children's glasses results keys hours details records papers bags clothes shoes "
    "tickets"
)
_AIM = (
    r"(?:check|confirm|see|find out|make sure|verify|ask|inquire|enquire|know|clarify|let you know|follow up"
    r"|double check"
    r"|ask you|inform you|tell you|find out more|ask about|see about|check on|report|mention|say|add|speak"
    r"|talk)"
)

#: Verbs of two words that want an object, which may stand between them.
_PHRASAL = (
    r"(?:(?:set|setting|book|sign|pick|picking|top|look|bring|hold|back|follow|take|taking|clear|bump"
    r"|open) up|(?:figure|figuring|find"
    r"|finding|work|working|sort|sorting|fill|filling|try|trying|take|taking|check|point|carry|rule) out"
    r"|(?:drop|dropping|pay|paying"
    r"|take|taking|put|cross|call) off|(?:put|add|try|move) on|(?:bring|put|hand|send|turn|fill|trade"
    r"|book) in"
    r"|(?:send|give|bring|pay|put|pass|hand) (?:over|across|back|through)|(?:set|take|turn|put|write|note"
    r"|track) down)"
)
#: A clause may end with these, and in a request mostly does not.
_OFTEN_MORE = (
    r"(?!(?:cancel|reschedule|help|know|sleep|breathe|die|retire|rebook|understand|see|hear)$)"
    rf"{one_of(INTRANSITIVE)}"
)

BEGUN = (
    rule(
        _OPEN, "a verb of two words that wants its object; whom, and not what is done to them",
        rf"\b(?:to|can|could|i|we|you|i'll|we'll|i'd|please|don't|can't|didn't|couldn't|never|just|i'm"
        rf"|we're) {_PHRASAL}$",
        r"\b(?:brought|bring|bringing|making|makes|made|getting|got|giving|letting|lets|let|asking|telling"
        r"|showing|sending|sent"
        r"|keeping|paying|billing|costing|costs|cost|selling|sold|lending|booked|put|putting|ordered|serve"
        r"|served|owing|having)"
        r" (?:me|us|him|her|them)$",
        unless=(
            FRONTED, rf"^{LEAD}(?:{WH_WORD}|where)\b",
            r"\b(?:what|that|one|ones|which|all) (?:\w+ ){1,3}(?:brought|sent|sold|owe|cost)"
            r" (?:me|us|him|her|them)$",
            r"\b(?:to|and) (?:pick|drop|sign|check|open|back|hold|follow|move|look) (?:up|off"
            r"|on)$(?<=sign up)",
        ),
        catches="i want to set up / i'm trying to figure out / could you look up / they brought me / it's "
            "making me / they put us",
        but_not="what do i have to fill out / that's the one they sold me / let me know",
    ),
    rule(
        _OPEN, "an aim, and not what of",
        rf"\b(?:calling|ringing|phoning|wanted|want|like|here|just|trying|wondering|writing|love|hoping"
        rf"|meant|going"
        rf"|need|have) to (?:just |quickly |really |maybe |possibly )?{_AIM}$",
        rf"^{LEAD}(?:is it|would it be|will it be|is there)(?: still| even| at all| maybe)? (?:possible|okay"
        rf"|ok|alright|all right"
        r"|any way|any chance|a way|a chance|fine)$",
        r"\bmake sure(?: (?:that|the|my|it|you|i|we|they))?$",
        unless=(
            FRONTED, r"\bwhat\b.* (?:say|add|mention|report)$",
            r"\b(?:who|where|someone|somebody|anyone|person)\b.* (?:ask|talk"
            r"|speak)$", r"\bthat's (?:all|what) i (?:wanted|want|have) to \w+$",
            r"\b(?:nothing|anything|something) (?:else )?to \w+$",
            r"\b(?:do|would|should|can|will|did) i (?:have|need) to \w+$", r"\bgoing to (?:see|know)$",
        ),
        catches="i just wanted to check / i'm calling to confirm / i'd like to make sure / would it be "
            "possible / is there "
        "any way / i was hoping to find out",
        but_not="who do i need to ask / that's all i wanted to say / do i have to confirm",
    ),
    rule(
        _OPEN, "a verb that a particle or a place goes with; a measure to come; whom, and not what to do",
        r"\b(?:put|putting|turning|turned|switch|switching|switched|plug|plugging|plugged) (?:it|them|that"
        r"|this)$",
        r"\b(?:will|would|should|could|might|must|may|can|did|to|doesn't|didn't|won't) (?:only |probably "
        r"|just )?(?:cost|weigh|equal"
        r"|last for|total|measure)$",
        rf"\b(?:want|wants|wanted|need|needs|needed|like|i'd like|would like|asked|allow|allowed|advised"
        rf"|warned|promised|assured"
        rf"|informed|assigned|billed|charged|prescribed|keeps|lets|forced|told|expect|expected|persuade"
        rf"|convince|remind) "
        rf"(?:me|us|him|you|them|someone|somebody|your \w+|my {PERSON}|the {PERSON})$",
        r"\b(?:that|and|but|because|think|believe|guess|if|when) (?:it|my \w+|the \w+) (?:runs|ran|goes"
        r"|comes) (?:out|off|up) on$",
        unless=(
            FRONTED, ASKED_FOR, rf"^{LEAD}(?:{WH_WORD}|{AUXILIARY})\b",
            r"\b(?:nobody|no one|already|never|not) \w+ (?:me|us)$",
            r"\b(?:that|what|as|like|before) (?:he|she|they|i|you|we) \w+ (?:me|us|him|them|you)$",
            r"\bto \w+ (?:someone|somebody|you)$", r"\b(?:i'd|would|don't|not) like (?:him|them|you|us)$",
        ),
        catches="i've tried turning it / it would cost / i'd like someone / they promised me / she advised "
            "us / i need you",
        but_not="how much would it cost / nobody told me / like i told you",
    ),
    rule(
        _OPEN, "somebody, and what they do, and not to what",
        rf"^{LEAD}{DETERMINER}(?: \w+)? {PERSON} (?:{one_of(ADVERBS)} |always |never |just |still |already "
        rf"|often |sometimes )?"
        rf"(?!{_ALONE}$)[a-z]{{2,}}(?:[^s']s|ed)$",
        rf"\b(?:{PRONOUN}|{DETERMINER} \w+|who|that|which) (?:usually|normally|recently|finally|always|never"
        rf"|sometimes|often"
        rf"|already|still|also|even|only|just|constantly|currently"
        rf"|apparently) (?!{_ALONE}$)[a-z]{{2,}}(?:[^s'u]s|ed)$",
        rf"\b(?:and|but|or|because) (?:{PRONOUN}|my {PERSON}) (?:usually |normally |just |also |then "
        rf"|always |never )*"
        rf"(?!{_ALONE}$)[a-z]{{2,}}ed$",
        unless=(
            FRONTED, r"\b(?:he|she|it|they|i|we) (?:is|was|were|are|am|be|been|got|gets) ",
            r"\b(?:has|have|had|is|was|were|are|be|been|get|got) "
            r"(?:\w+ )?\w+ed$", rf"^{LEAD}{WH_WORD}\b",
        ),
        catches="my wife usually handles / the nurse mentioned / my neighbour plays / our landlord never "
            "repaired "
        "/ i opened it and she noticed",
        but_not="my son coughs / the doctor called / my husband already agreed / it always leaks",
    ),
    rule(
        _OPEN, "a noun's group without its noun",
        rf"\b(?:a|an|the|my|your|our|his|her|their|any|some|this|that|new) {_MODIFIERS}$",
        rf"\b(?:a|an|the|my|this|that|every|another|per) {NUMBER} {_UNIT}$",
        r"\b(?:with|for|about|of|need|needs|want|like|have|has|is|be|was|take|takes|only|maybe|cost"
        r"|costs) at (?:least|most|best)$",
        r"\b(?:got|have|had|need|want|with|are|were|there's|took|for) (?:a few|a couple|several|loads|lots"
        r"|plenty|a number|a pair"
        r"|a set|a bunch|some kind|some sort|that kind|this kind|any kind|a type|half)$",
        r"\b(?:a bit|a little|slightly|much|a lot|even|far|way) (?:more|less|bigger|smaller|closer|earlier"
        r"|later|cheaper"
        r"|further|longer|shorter) (?:of|like|in|than)$",
        r"\bsomething (?:a bit|a little|like|slightly|more|less|along|similar"
        r"|around|under|that's|in)$",
        rf"^{LEAD}(my|the|our|your|a) \w+ \1 \w+$",
        unless=(
            r"\b(?:the|your|this) (?:weekly|monthly|annual|following|final|latest|nearest|closest|earliest"
            r"|cheapest|correct|local|same)$",
            rf"^{LEAD}(?:what's|when's|which is|is that|what is|what was|when is|where is|where's) the \w+$",
            r"\b(?:on|to|of|at|in|from) the (?:right|front|rear|outside|inside|ground|air|hand|middle"
            r"|standing)$",
            r"\bby hand$",
            r"\b(?:my|his|her|your) (?:air|hand|right|checking|boarding|contact|standing|living|spare)$",
            r"\bon credit$",
            r"\b(?:the|that|this) (?:one|washing|air|spare|hand|emergency|right)$",
            r"\b(?:a|an|the) (?:spare|vegan|vegetarian"
            r"|emergency|birth|contact|hand|repeat)$", r"\bfive hundred (?:a|per) \w+$",
            r"\bnot (?:a|the) \w+$",
        ),
        catches="i lost my debit / it's a ten minute / i need something with at least / i've got a couple / "
            "something a bit "
        "/ my dad my stepdad",
        but_not="i can wait ten minutes / at least / the rest",
    ),
    rule(
        _OPEN, "only words that lead in; a time that begins the next clause",
        rf"^(?:{one_of(LEAD_INS)} )*(?:so|well|anyway|basically|right) (?:yeah|yes|yep|no|okay|ok|right|like"
        rf"|anyway|basically)$",
        r"\S+ \S+ (?:and|but|so|because|then) (?:then |now )?(?:today|yesterday|tonight|this morning"
        r"|last (?:night|week|month|year)"
        r"|both times|each time|every time|this time|the next (?:day|morning|week)|after that|since then"
        r"|in the end"
        r"|at the end|for some reason|all of a sudden|suddenly|in fact|at first|before that|later on"
        r"|on top of that"
        r"|at the moment|at that point|these days|most of the time|in the morning|in the evening|at night)$",
        r"\byou know (?:that|the|those|these|this|your|how)(?: \w+)?$",
        rf"^{LEAD}(?:the|my|our|your) (?:\w+ )?(?:reason|plan|idea|problem|issue|trouble|question|thing"
        rf"|only thing|difficulty|concern"
        r"|worry|hope|goal)$",
        unless=(r"\b(?:do|did|don't|didn't|let) (?:you|me|we|i) know\b",
        r"\b(?:and|or|but) (?:tonight|today|yesterday|last \w+)$(?<=today and tonight)",
                r"\b(?:today|tonight|tomorrow|yesterday|morning|evening|night|day|week|monday|tuesday"
                r"|wednesday|thursday|friday|saturday"
                r"|sunday) (?:and|but|or) \w+(?: \w+){0,2}$"),
        catches="so yeah / i rang twice and both times / it was fine but then yesterday / you know that / "
            "the only thing",
        but_not="yeah / do you know that / in the morning and in the evening",
    ),
)  # fmt: skip

OFTEN_MORE = (
    rule(
        Whole.MAY_GO_ON, "what is wanted is a verb that often has more",
        rf"\b(?:like|want|wants|wanted|need|needs|love|prefer|trying|hoping|hope|going|planning|have"
        rf"|able) to (?:just |please |maybe )?"
        rf"{_OFTEN_MORE}$", r"\b(?:won't|doesn't|can't|didn't|couldn't) (?:stop|start|remember)$",
        rf"\b{PRONOUN} (?:keep|keeps|kept|been) (?:cutting|going|coming|dropping|turning|shutting|running"
        rf"|breaking|falling|acting)"
        r" (?:out|off|down|up|in|on|away)$",
        r"\b(?:is|are|was|been|keeps|has|it's|starts|started|comes|goes|runs|ran|came|went"
        r"|fell) (?:been )?(?:cutting |coming |going "
        r"|running )?(?:out|off|down)$",
        unless=(FRONTED, ASKED_FOR, rf"^{LEAD}(?:{WH_WORD}|{AUXILIARY})\b",
        r"\b(?:is|are|the power's|it's|power is|electricity is) (?:out|off"
                r"|down)$", r"\b(?:ready|free|happy|where|how|who|what|when) (?:\w+ )?to \w+$"),
        catches="i want to pay / it won't stop / my policy runs out / my internet has been cutting out",
        but_not="where do i have to pay / the power is out / i need to cancel",
    ),
)  # fmt: skip
