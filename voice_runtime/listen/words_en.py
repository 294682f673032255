"""English: the words and patterns that the judge of words reads a caller with."""

from __future__ import annotations

import re

from voice_runtime.listen import words_en_aloud as aloud
from voice_runtime.listen import words_en_classes as classes
from voice_runtime.listen import words_en_numbers as numbers
from voice_runtime.listen import words_en_values as values
from voice_runtime.listen.word_lists import (
    Subordinate,
    WordLists,
    beginnings,
    compiled,
    one_of,
    word_set,
)
from voice_runtime.listen.words_en_leads import LEADS_UP
from voice_runtime.listen.words_en_rules import RULES

_LEAD, _LEAD_IN = classes.LEAD, one_of(classes.LEAD_INS)
_PRONOUN = one_of(classes.PRONOUNS)
_SHORT, _AUXILIARY = one_of(classes.CONTRACTED), one_of(classes.AUXILIARIES)
_CLOSING = (
    r"(?: (?:please|thanks|thank you|sir|ma'am|then|if (?:possible|you can|you could|i can|i could|that works"
    r"|that's (?:okay|ok|all right|alright|fine|possible)|you don't mind)))*"
)

_SUBORDINATE = Subordinate(
    begins=compiled(
        rf"^{_LEAD}(?:(?:if|unless|although|even if|even though|whenever|as soon as|in case|by the time|while"
        rf"|every time|each time|the (?:last|first|next) time)\b|once (?={_PRONOUN}\b)"
        rf"|when (?!{_AUXILIARY}\b)|(?:since|before|after|until) (?=(?:{_PRONOUN}|{_SHORT})\b))"
    ),
    unless=compiled(
        r"\b(?:if|when|whenever) (?:possible|so|not|needed|necessary"
        r"|(?:that's|that is|it's|it is) (?:okay|ok|alright|all right|fine|possible))$"
    ),
    main=word_set(f"i he she we they {classes.CONTRACTED} please then let's"),
    inversions=frozenset(
        f"{verb} {subject}"
        for verbs, subjects in (
            (classes.AUXILIARIES, "i you he she we they"),
            ("is are was were can could will would", "it there this that these those"),
            ("it you this that there", classes.AUXILIARIES),
            (classes.WH, classes.AUXILIARIES),
        )
        for verb in verbs.split()
        for subject in subjects.split()
    ),
    follows=compiled(
        rf"^(?:\w+ ){{2,}}(?<!that )(?<!because )(?<!and )it (?:just|still|always|never|won't|keeps|makes"
        rf"|says|goes|works"
        rf"|takes|looks|sounds|started|stopped|came|went|only|also|all|feels|seems|shows|costs|does|doesn't"
        rf"|[a-z]+s$)\b"
        rf"|^(?:\w+ ){{2,}}(?<!that )(?<!in )(?<!on )(?<!at )(?<!for )(?<!to )(?<!of )(?<!with )(?:the|my"
        rf"|our|his|her|a) "
        rf"\w+ (?:{_AUXILIARY}|\w+ed|just|still|keeps|came|went|says|said|fell|broke)\b(?: \w+)+$"
        rf"|^(?:{_PRONOUN}|{_SHORT}|the|my)\b(?: \w+)+? (?:was|is|were) \w+"
    ),
    joins=word_set(
        "and or but nor that if when whether because who which what where how why than as so think thinks "
        "thought say says said know knows hope sure told me believe guess mean feel to of for with about let "
        f"make {classes.AUXILIARIES} {classes.DETERMINERS}"
    ),
)

ENGLISH = WordLists(
    nods=word_set("mhm|mhmm|mm hm|mm hmm|mmhmm|uh huh|uhuh|aha"),
    fillers=word_set(classes.FILLERS),
    thinking=aloud.THINKING,
    aloud=aloud.ALOUD,
    excuse=aloud.EXCUSE,
    resumes=aloud.RESUMES,
    instead=compiled(r"^.* (?:no|no wait|wait|sorry|no sorry|i mean|actually|or rather|make that) (?=\w+)"),
    takes_back=compiled(
        r" (?:(?:oh|well|like) )?(?:(?:just )?(?:one|a) (?:second|moment|sec|minute)|no|no wait|oh wait"
        r"|wait no|no sorry|sorry|sorry no|or rather"
        r"|scratch that|no actually|actually no|actually|i mean"
        r"|make that|no make that|i don't know|i dunno|i'm not sure|not sure|i think|i guess|i suppose"
        r"|let's say|i'd say|say"
        r"|or something|or whatever|obviously|hopefully)$"
        r"| (?:i mean|no wait|or rather|no sorry|scratch that) "
    ),
    courtesy=word_set("please thanks sir ma'am"),
    lead_ins=word_set(classes.LEAD_INS),
    function=word_set(
        f"{classes.LEAD_INS} {classes.SUBJECTS} {classes.CONTRACTED} {classes.AUXILIARIES} "
        f"{classes.DETERMINERS} "
        f"{classes.WH} {classes.PREPOSITIONS} {classes.CONJUNCTIONS} {classes.TRANSITIVE} "
        f"{classes.REPORTING} "
        f"{classes.ADVERBS} {classes.TITLES} {values.DIGITS} me us him them please spelled spell thank name"
    ),
    answers=compiled(f"{_LEAD}(?:{values.ANSWERS}|{values.WHEN}|{values.DATE}){_CLOSING}"),
    agrees=compiled(
        rf"(?:{_LEAD_IN} )*(?:yes|yeah|sure|okay|ok|of course|certainly|yep|right|alright|no problem)"
        r"(?: (?:it's|that's|that is|it is|please|sure|of course))*"
    ),
    yes_no=compiled(f"{_LEAD}{values.YES_NO}{_CLOSING}"),
    when=compiled(f"{_LEAD}(?:{values.WHEN}|{values.DATE}){_CLOSING}"),
    birth=numbers.BIRTH,
    announced=numbers.ANNOUNCED,
    quantity=compiled(f"{_LEAD}{values.QUANTITY}{_CLOSING}"),
    picks=compiled(f"{_LEAD}{values.PICKS}(?: (?:is fine|works|is better))?{_CLOSING}"),
    name_before=compiled(
        rf"^(?:(?:{_LEAD_IN}|{one_of(classes.TITLES)}|it's|it is|this is|my name is|my name's|i'm|that's"
        r"|the name is|name is|that is|with) )*"
    ),
    asides=compiled(
        r" (?:i think|i guess|i believe|i suppose|i mean|i hope|he said|she said|they said|you said)$"
    ),
    broken=beginnings(f"{values.DAYS} {values.MONTHS} tomorrow appointment") - word_set("marc appoint sept"),
    asked=re.compile(r"\?"),
    subordinate=_SUBORDINATE,
    spelling=numbers.SPELLING,
    leads_up=LEADS_UP,
    rules=RULES,
)
