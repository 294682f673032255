"""English sentences as callers speak them: where one breaks off.

General rules of the language, by what a word does in a sentence. Gaps in them were found with the
development sets of the load tests (``loadtests/pauses``): only a set nobody has read judges them.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import Whole, one_of, rule
from voice_runtime.listen.words_en_classes import (
    ADJECTIVES,
    ADJECTIVES_OF,
    ADVERBS,
    ALL,
    AND_WHAT,
    ASKED_FOR,
    ASPECT,
    AUXILIARY,
    BE,
    BEFORE_TO,
    CONJUNCTIONS,
    DETERMINER,
    DO,
    DONE_TO_NOTHING,
    FRONTED,
    INTRANSITIVE,
    LEAD,
    LEAD_INS,
    PREPOSITION,
    PRONOUN,
    REPORTING,
    SHORT,
    SUBJECT,
    THIS,
    TITLE,
    TO_COME,
    TRANSITIVE,
    TRANSITIVE_OR_NOUN,
    UNDER_WAY,
    WH_BE,
    WH_WORD,
)
from voice_runtime.listen.words_en_values import MONTHS, UP_TO_99, WORDS_OF_NUMBERS

_OPEN = Whole.OPEN

BREAKS_OFF = (
    rule(
        _OPEN, "an article, a possessive or a conjunction at the end",
        rf"\b(?:a|an|the|my|your|our|their|its|his|whose|every|several|various|certain|multiple|numerous"
        rf"|{one_of(CONJUNCTIONS)})$",
        r"\b(?:no|any|in|at|on|for|to|with|of|by|from|some|and|like|also|see|need|want) (?:another|any"
        r"|some|no)$",
        r"\b(?:making|having|getting|wearing|there's|there is|there are|there was|has|has got"
        r"|with) (?:this|these|those)$",
        r"\b(?!let's\b|it's\b|that's\b|what's\b)[a-z]{2,}'s$", r"\w+ \w+ (?:next|last|and half|at half)$",
        r"\w+ \w+ once$", r"\b(?:i'd|we'd|you'd|he'd|she'd|they'd|had) better$", r"\b(?:now|seeing) that$",
        r"\b(?:there's|there is|there was|there are|like|with) some$", r"\b(?:quite|such|what) an?$",
        r"\bsuch$",
        r"\b(?:my|your|his|her|our|their) (?:first|last|next|second|third|only|own|other)$",
        r"\b(?:any|some|no|two|an|few|several|every) other$", r"\bthis coming$", r"\bis something$",
        r"\bhaving (?:trouble|difficulty|difficulties|problems|issues|a problem|an issue)$",
        r"\b(?:in order|such as|so that|as if|as though|even if|even though|as soon as|as long as|in case)$",
        r"\bas (?:soon|far|long|much|many|good|early|late|quickly|fast|possible as)$",
        unless=(
            r"\b(?:at|than|only|just|all|been|it|them|there|here|this|him|her|least|not|the) once$",
            r"\bas such$",
            r"\b(?:put|get|got|go|went|come|came|patch|fell|break|see) (?:\w+ )?through$",
            r"\b(?:is|was|it's|that's|of|not|be|were) his$", r"\b(?:for certain|for several|of several)$",
            r"(?:^|\bis |\bwas |\bbe |\bfor |\bof )the (?:next|last)$",
            r"\b(?:at|that|or|who's|what's|what|who|am i|me|him|her|us|them|it|come|comes|came|was|did"
            r"|goes"
            r"|turn|question|day|time|up|one|person|happens) (?:next|last)$",
            r"^(?:\w+ )?(?:who|what|when|how)\b.* (?:next|last)$", r"^(?:\w+ )*at (?:\w+ )?[a-z]+'s$",
            r"\b(?:this|that|as|twice as|just as) (?:far|much|many|long|fast)$",
        ),
        catches="is there a / it's about my / we need two and / i'll come if / i can't because / once every "
        "/ my brother's / it was sometime last / i paid however / can you call as soon",
        but_not="if you want one / call me / what comes next / i'm at my brother's / who's next",
    ),
    rule(
        _OPEN, "a preposition without its noun",
        rf"\b{PREPOSITION}$",
        unless=(
            r"\b(?:put|get|got|go|went|come|came|patch|fell|break|see) (?:\w+ )?through$",
            # what it belongs to went before
            rf"\b{AND_WHAT}\b.*\b(?:look|looking|ask|asking|wait|waiting|talk|talking|speak|speaking|pay"
            rf"|work|it|this|that|referring|going|called|listening) {PREPOSITION}$",
            r"\bwhere\b.* (?:from|to|at)$", r"\bwhat time\b.* (?:by|from|until)$",
            r"\b(?:on and off|off and on)$",
            r"\bfrom (?:underneath|above|below|behind|inside|within)$", r"\bhow long\b.* (?!take\b)\w+ for$",
            rf"\b(?:one|ones|all|everything) (?:i|we|you|they)\b.* {PREPOSITION}$",
            # it belongs to its verb
            r"\b(?:come|go|move|check|log|logging|checking|signing|moving|coming|sign|walk|fill|drop|stop"
            r"|pop|settle|plug|cave|break|broke|came"
            r"|went|logged"
            r"|checked|signed|moved|stay|(?:fit|squeeze|get|put|let|bring|fill|pencil|move|hand|send|slot"
            r"|take)"
            r" \w+) in$",
            r"\b(?:hold|hang|go|come|carry|later|from now|early|so|move|going|comes|(?:turn|turned|switch"
            r"|put|try|keep"
            r"|leave|left|log|pass) (?:it|this|that|them|\w+)) on$",
            r"\b(?:stop|drop|come|stand) by$",
            r"\b(?:look|looking|walk|turn|shop|anyone|anybody|someone) around$",
            # it stands for "earlier", "later" or an answer
            r"\b(?:have|has|had|haven't|hasn't|i've|we've|you've|they've|ever|never|once|always|was|were|did"
            r"|used)\b"
            r"(?!.*\b(?:to|need|needs|should|must|will|can)\b).* before$",
            r"\b(?:day|week|month|year|night|morning|call) before$",
            r"\b(?:day|week|month|year|comes?|soon|shortly|long) after$",
            r"\b(?:that|anything|nothing|none|one|all)\b.* (?:know|aware|think|heard|hear|thought) of$",
            r"\b(?:came|kicks|goes|went|comes|stays) on$", r"\bwho with$", r"\bwhat for$",
        ),
        catches="i have a question about / could you send it to / are you free on / i'll come back in "
        "/ what time on / i need it before",
        but_not="can you fit me in / not that i know of / have we met before / who should i ask for / what "
        "are you looking for / where are you from / can i come in "
        "/ later on",
    ),
    rule(
        _OPEN, "a subject, and nothing of it",
        r"\b(?:i|he|she|we|they)$",
        unless=(
            rf"\b(?:where|who|how|what|when)\b(?: \w+)* {BE} (?:i|he|she|we|they)$",
            r"\b(?:so|neither) \w+ (?:i|we)$", r"\w+ \w+ (?:\w+ )*\w+n't (?:i|he|she|we|they)$",
        ),
        catches="can i / think we / what should i / because they",
        but_not="where are they / who is he / how old is she / where am i "
        "/ so do i / she is nice isn't she",
    ),
    rule(
        _OPEN, "a question's verb and subject, and nothing asked",
        rf"\b{AUXILIARY} {THIS}(?: guys| all| people| folks)?$",
        r"\b(?:if|that|whether|chance|way|because|when|where|while|until|unless|what|so|once|sure|hope|think"
        r"|suppose|guess|imagine|believe|assume|reckon|bet|wish|heard|thought|suggest|either|expect"
        r"|said|wondering|before|after|since|how|why|and|but|or|then|case) (?:you|it|this)$",
        r"^(?:\w+ )?(?:does|did|has|have|can|could|would) (?:anyone|anybody|someone|somebody"
        r"|everyone)(?: there| here"
        r"| else)?$",
        rf"^{LEAD}{DO} (?:either|any|some|all|both|one|none|many) of (?:you|us|them|these|those)$",
        unless=(
            r"\b(?:(?:i|he|she|it|who|someone|nobody|anyone) (?:\w+ )?(?:was|is|am)"
            r"|(?:you|we|they) (?:\w+ )?(?:were|are)) there$",
            r"\b(?:and|or|but|so|then|what|how|after|before|since|until|about|says|said|think|sure|while"
            r"|where) "
            r"(?:this|it)$", r"\bwhat if it$",
            r"\b(?:how about|what about|and|than|or|thank|thanks and) you$",
            rf"\b{WH_WORD}\b(?: \w+)* {BE} {THIS}$", r"\w+ \w+ (?:\w+ )*\w+n't (?:it|you|that|there)$",
            r"\w+n't\b(?: \w+){2,} (?:do|is|are|can|will|would|did|does|have|has) (?:you|it|that|there)$",
            rf"\b(?:{PRONOUN}|to|please|not|can|could|will|would|should) "
            rf"(?:did|do|does|have|had|has) {THIS}$",
        ),
        catches="is there any chance you / i was wondering if you / do you guys / is it / could you / what "
        "time do you / how much did that / are there",
        but_not="how much is it / where are you / who is this / we can do it / you're open aren't you",
    ),
    rule(
        _OPEN, "of a question the verb and a noun, and nothing that the noun is or does",
        rf"^{LEAD}(?:{WH_WORD}(?: \w+){{0,3}} )?{DO} (?:the|a|an|my|your|our|{TITLE}) \w+$",
        rf"^{LEAD}{BE} (?:the|my|your|our|{TITLE}) \w+$",
        catches="does the doctor / when can my daughter / how long does the visit / is my order",
        but_not="do you take cash / does the doctor speak spanish / what is the price / where is my order",
    ),
    rule(
        _OPEN, "a noun, and what it is, does or is called is to come",
        r"\b(?:one|ones|person|people|guy|lady|man|woman|place|house|apartment|thing|something|anything"
        r"|someone"
        r"|so|such|sure|said|says|told(?: \w+)?|means|except|provided) that$",
        r"\w+ (?:the|that|this|an?|my) (?!told\b|sent\b|gave\b)[a-z]+(?<!ed) you$",
        r"\b(?:year|month|week|day) old$",
        rf"\b{UP_TO_99} [a-z]+ and {UP_TO_99}$",
        r"\b(?:account|card|number|code|phone|id) (?:ending|starting|beginning)$",
        r"\w+ but (?:the|my|your|our|his|their|a|an) [a-z]+$",
        r"\b(?:named|called)$", r"\b(?:a|an|the|some) [a-z]+ that$",
        r"\b(?:worried|afraid|glad|sorry|aware|concerned|certain|positive|confident|surprised|happy"
        r"|promised|assured|informed|noticed|realized|realised|hoping|saying|given|assuming|knowing"
        r"|now) that$", r"\b(?:being|reason|problem|issue|point|fact|idea|news)(?: \w+){0,2} that$",
        r"\b(?:is|it's) (?:apartment|unit|number|suite)$",
        r"\b(?:in|at|for|from|to|on|by|into|under|street|avenue|road|drive|and|take|near) (?:apartment"
        r"|room|suite"
        r"|unit|flat|building|exit|number|gate|ward|bay|hall|terminal|platform|route|highway|interstate"
        r"|lot|lane|floor"
        r"|po box)$",
        r"\b(?:between|either) (?!us$|them$|is\b|way\b|one\b|of\b)\w+(?: (?!and\b|or\b|is\b|works\b"
        r"|would\b)\w+)?$",
        rf"\b(?:because|unless|although|whereas|whether|if|saying|said|says|think|thinks|thought|hope|guess) "
        rf"(?:that )?(?:the|my|your|our|his|their|a|an|{TITLE}) (?!{AUXILIARY}\b)[a-z]+$",
        r"\b(?:told (?:me|us|him|her|them)|saying|said|says|sure|hope|think|thought|heard|noticed|is"
        r"|was) that "
        r"(?:the|my|your|our|his|their) [a-z]+$",
        unless=(
            r"\b(?:what|who|i|you|he|she|we|they|somebody|someone|just|already|that) (?:\w+ )?called$",
            r"\b(?:is|was|say|said) (?:a )?(?:yes|no)$", r"\b(?:between|either) \w+ (?:and|or)\b",
            r"\bwhat(?: \w+)* called$", r"\b(?:do|like|want|need) (?:something|anything|such|one) that$",
        ),
        catches="she told me that the car / i can't come because my son / let me know if the doctor "
        "/ it's between maple / i can do either monday / i want the one that / a doctor named / are you "
        "sure that / we live in apartment",
        but_not="what is it called / i just called / i like that",
    ),
    rule(
        _OPEN, "an auxiliary or a copula without the rest",
        rf"\b(?:{AUXILIARY}|be|been|being|having|gonna|gotta|gets|{SHORT}|let's|{one_of(WH_BE)})$",
        unless=(
            rf"^{LEAD}(?:yes|yeah|yep|no|nope|sure|of course) {SUBJECT} \w+(?: not)?$",
            r"\b(?:know|see|tell \w+|show \w+|ask|say|remember|wonder|sure|about|understand|explain|is) "
            rf"(?:what|where|who|when|which|how|how \w+)(?: (?!{AUXILIARY}\b)\w+)+ {BE}$",
            rf"\b{PRONOUN} (?:already|never|just|always|really|still) (?:did|do|does|have|am|is|was|were)$",
            r"\b(?:in|of|by|until|since|early|late|mid|for|this|next|last) may$",
            ASKED_FOR, rf"(?<!wondering )(?<!asking )(?<!ask )(?<!know )(?<!see )\b(?:as|than|if|whenever"
            rf"|wherever) {PRONOUN} \w+$", r"\b(?!i\b)\w+ am$",  # at nine am
            rf"\b(?:{AND_WHAT}|how many|how much|{ALL})\b(?: \w+)*? {SUBJECT} "
            r"(?:\w+ )*(?:do|did|have|had)$",
        ),
        catches="my appointment is / i would / the nurse said we should / it's / i have been "
        "/ what i need is",
        but_not="yes i do / no it isn't / do you know where the office is / that's all i have "
        "/ what can you do",
    ),
    rule(
        _OPEN, "a verb that wants its object",
        rf"\b{one_of(TRANSITIVE)}$",
        rf"\b(?:to|not|i|we|you|they|he|she|i'll|we'll|i'd|please|don't|can't|didn't|couldn't|won't|never"
        rf"|just"
        rf"|could|let's) {one_of(TRANSITIVE_OR_NOUN)}$",
        unless=(
            FRONTED, ASKED_FOR, r"\b(?:we'll|i'll|you'll|i|you|wait and) see$",
            r"\bif you (?:want|need|like)$",
            rf"\bwhere\b(?: \w+)* {one_of(TRANSITIVE_OR_NOUN)}$",
            rf"\b{WH_WORD}\b.* {one_of(TRANSITIVE_OR_NOUN)}$",
            r"\b(?:get|got|am|i'm|are|is|was|we're|you) lost$",
        ),
        catches="we want to book / can you transfer / i'd like to see / we need / can i get / i'm trying "
        "to find / when should i take",
        but_not="where can i order / i need to reschedule / what should i bring / which one do you want / "
        "that's all i need / we'll see",
    ),
    rule(
        _OPEN, "a verb that no one ends with",
        rf"^{LEAD}(?:(?:and|but|so|because|that) )?(?:{PRONOUN}|{DETERMINER} \w+|{TITLE} \w+)(?: has| have"
        rf"| had)?"
        rf"(?: just| already| also| even)? (?!{one_of(DONE_TO_NOTHING)}$)[a-z]{{3,}}ed$",
        rf"\b{one_of(BEFORE_TO)} to (?!{one_of(INTRANSITIVE)}$)[a-z]{{3,}}$",
        rf"\b(?:do|does|don't|can|could|will|would|shall|should|may|might|did|can't|couldn't|won't"
        rf"|didn't) (?:i|you|he|she|we|they)"
        rf" (?:please |just )?(?!{one_of(INTRANSITIVE)}$|(?:please|just|not|too|then|also|all|both"
        rf"|guys)$)[a-z]{{3,}}$",
        unless=(FRONTED, ASKED_FOR, rf"\b(?:to|i|you|he|she|we|they) (?:{AUXILIARY}|{one_of(ADVERBS)})$",
                r"\bto (?:him|her|them|that|this|you|one|two|three|four|five|six|seven|eight|nine|ten"
                r"|monday|tuesday"
                r"|wednesday|thursday|friday|saturday|sunday|go|work|school|day|mine|yours|ours|town|court"
                r"|someone|anyone"
                r"|bed|home|everyone|everything|something|anything|nothing)$",
                rf"^{LEAD}(?:{WH_WORD}|where|how)\b"),
        catches="the doctor prescribed / i need to pronounce / could you investigate / i'd like to sublet",
        but_not="i need to cancel / could you help / what did you decide",
    ),
    rule(
        _OPEN, "what somebody says, thinks or wants to know is to come",
        rf"\b{one_of(REPORTING)}$",
        r"\b(?:tell|told|telling|ask|asked|asking|remind|show) (?:me|us|him|her|them|you)$",
        r"\b(?:like|want|need|love|wanted|have|trying|happy) to know$", r"\bdo you (?:happen to )?know$",
        unless=(FRONTED, r"\b(?:nobody|no one|never|already) told (?:me|us)$", r"\brather not say$",
            r"\b(?:i'll|we'll|can|let me|should i|you) (?:ask|tell) (?:him|her|them)$",
            r"\bhow does (?:it|that) \w+$", r"\b(?:i|we) (?:hope|guess|think) so$"),
        catches="the doctor said / she told me / i wonder / can you tell me / i'd like to know / do you know",
        but_not="what did she say / what does that mean / what do you think",
    ),
    rule(
        _OPEN, "under way to something",
        rf"\b(?:i'm|we're|he's|she's|they're|it's|am|are|was|were|is|been|be|not|still|just) (?:\w+ )?"
        rf"{one_of(UNDER_WAY)}$",
        rf"\w+ {one_of(TO_COME)}$", rf"\w+ {one_of(ADJECTIVES_OF)}$", r"\bthere used$",
        r"\b(?:would|do|could) you mind$",
        r"\b(?:would|i'd|we'd|he'd|she'd|they'd) (?:really )?(?:like|love|rather|prefer)$",
        unless=(
            rf"\b(?:where|why|who|what|how)\b(?: \w+)* {BE} \w+ (?:\w+ )?\w+$", r"\bjust looking$",
            r"\bwhat(?: \w+)* like$", r"\b(?:when|what|how much|how)\b(?: \w+)* due$",
            r"\bis (?:it|that|this|the \w+|my \w+) due$", r"\bit depends$", r"\bto keep$", r"\bas you wish$",
            rf"\b(?:what|who|which|how much|how long)\b(?: \w+)* {one_of(TO_COME)}$",
            r"\bi'm not interested$", r"\bdo instead$",
            r"\b(?:it|that|one|this|him|her|them|now|today|tomorrow|monday|tuesday|wednesday|thursday"
            r"|friday) instead$",
        ),
        catches="my son is allergic / it keeps / i'm interested / would you mind / i'm calling / we were "
        "hoping / i'd like / she would rather / i'm not able",
        but_not="where are you going / i was just looking / are pets allowed",
    ),
    rule(
        _OPEN, "an adverb that belongs to what follows",
        r"\b(?:something|is|are|was|be|it's|feels?|looks?|seems?|i'm|he's|she's"
        r"|that's) (?:just )?a (?:little )?bit$",
        r"\b(?:is|are|was|it's|feels?|looks?|seems?|i'm|he's|she's|that's) a (?:little|lot)$",
        rf"\w+ (?:{one_of(ADVERBS)}|maybe|like|so)$",
        r"\b(?:and|but|so|or|because) (?:then|besides|else|perhaps|maybe|still|yet|actually|honestly|now"
        r"|later|even"
        r"|only|preferably|ideally|possibly|hopefully|obviously|especially|sometimes|of course|in|at|when"
        r"|where)$",
        r"\b(?:my|his|her|your) (?:left|right|upper|lower)$",
        r"^(?:is there|are there|do you have|have you got) any$",
        r"^(?:\w+ )?at (?:least|most)$", r"\b(?:with|without|any|some) (?:extra|any|other)$",
        r"\b(?:there's|there is|i have|i've got|had|with) (?:one|two|three|a few|some) (?:more|other)$",
        r"\bone other$",
        rf"\b{PRONOUN} (?:still|already|always|often|sometimes)$", r"\bthe (?:twenty|thirty)$",
        r"\b(?:for|on|of|since|until|by|the|maybe|about) (?:next|last|this|every|each|another)$",
        rf"\b(?:a|an|another|my|your|our|his|their|any|some|this|these|those|no|every|very"
        rf"|really) {one_of(ADJECTIVES)}$",
        r"\b(?:a|an|my|your|our|the|this|very|really|some|another) (?!handful$|bus$|campus$|virus$"
        r"|bonus$)\w+(?:ous|ful|less)$",
        r"\bthe (?:only|main|entire|whole|current|original|actual|exact|previous|certain|specific|general"
        r"|local|proper"
        r"|little|tiny|huge|nice)$",
        r"\bthe (?:[a-z]{3,}est|most|least)$",
        rf"\b(?:{PRONOUN}|{AUXILIARY}|{SHORT}) (?:\w+ )?(?!reply$|apply$|fly$|supply$|rely$|family$|italy$"
        rf"|july$|early$"
        r"|daily$|annually$|yearly$|online$|likely$|friendly$|monthly$|weekly$|quickly$|badly$|properly$"
        r"|correctly$|completely$"
        r"|directly$|slowly$"
        r"|regularly$|separately$|only$|lovely$|elderly$|ugly$)[a-z]+ly$",
        rf"\b(?:{PRONOUN}|{AUXILIARY}|{SHORT}|to) (?:always|never|often|usually|sometimes|still|already"
        rf"|just|first|ever)$",
        unless=(
            r"\b(?:not|yes|oh|no) (?:really|actually|exactly|quite|too)$", r"^(?:no |oh )*not very$",
            r"\b(?:are|is) (?:it|they|that) free$",
            r"\b(?:a|the|very|is|are|was|it's|be) (?:private|public|wrong|free)$",
            rf"^{LEAD}(?:{WH_WORD}|{BE})\b.* the [a-z]+est$",
            r"\bthe (?:forest|west|east|request|test|guest|rest|chest|nest)$",
            r"\b(?:it's|that's|is|was|be|are|so|i'm|he's|she's|feels?|looks?|were|seems?) (?:very|really"
            r"|pretty) \w+$",
            r"\bat the (?:most|least|latest|earliest)$",
            r"\b(?:me|you|that|it|one|him|her|us|them) (?:too|either|neither|also)$",
            r"\bnot(?: \w+)+ (?:either|yet)$",
            r"\b(?:what|how)(?: \w+)* like$",
            r"\b(?:think|hope|guess|believe|say|said|not|or|if|do|told \w+) so$",
            r"\b(?:maybe|probably|why|or|of course|absolutely|definitely|certainly|hope|rather|better) not$",
            r"\b(?:about|than|like) this$", r"\bthe (?:next|last)$",
        ),
        catches="we could come just / it's probably / on every / it hurts maybe / i'm very / it's not "
        "/ he was there so / we need a new / i still",
        but_not="not really / what would that be like / me neither / why not / i think so",
    ),
    rule(
        _OPEN, "a title without its name",
        rf"\b{TITLE}$",
        unless=(
            rf"\b(?:{DETERMINER}|new|regular|usual|own|old|previous|female|family|good|same|first|different"
            rf"|which|other|what|eye|female|male) "
            r"(?:doctor|nurse|professor|miss)$",
        ),
        catches="can i see doctor / i had an appointment with dr / from miss",
        but_not="can i see a doctor / i need to talk to my doctor / is there another nurse",
    ),
    rule(
        _OPEN, "that it began or seemed, and not when or how",
        rf"\w+ {one_of(ASPECT)}$",
        unless=(r"\b(?:what|when|how|since|before|after|why|where|who)\b",),
        catches="the pain began / it seems / the bleeding lasted / it all started",
        but_not="what happened / when it started / before it began",
    ),
    rule(
        _OPEN, "to whom, and not what; how much, and not of what",
        r"\b(?:give|send|get|bring|let|offer|find|buy|make) (?:me|us|him|her|them)$",
        r"\b(?:make|put|let's do|let's make) (?:it|that)$",
        r"\b(?:quoted|gave|offered|sold|lent|showed|handed|owe|owes|owed|teach|costs?) (?:me|us|him|her"
        r"|them)$",
        r"\b(?:a|an) (?:two|three|four|five|six|seven|eight|nine|ten)$", rf"\bon {one_of(MONTHS)}$",
        r"\b(?:half|quarter|ten|five|twenty) (?:past|to|after|before|till)$", r"\b(?:suite|at half)$",
        unless=(r"\b(?:can't|can|won't|not|couldn't|will|to|didn't|i|we) make it$",),
        catches="can you give me / let's make it / i want a two / on march / at half past / a quarter to",
        but_not="give me a call / call me / in march / i can't make it",
    ),
    rule(
        _OPEN, "a question word, and not the question",
        r"\w+ (?:when|where|who|which|what|how|which one|why|whose)$",
        r"\w+ (?:how (?:much|many|long|often|far|soon)|what (?:time|day|kind|sort|type))$",
        r"^(?:what|which) (?:kind|sort|type|time|day)$",
        unless=(
            rf"^(?:{one_of(LEAD_INS)} )+(?:when|where|who|what|how|how much|how long)$",
            r"\b(?:or|you know|guess|so|then|that's|say) what$", r"\bknow how$",
            r"\b(?:ask|say|that's|and|or|so|is|don't know|no idea|not sure|wonder) why$",
        ),
        catches="can you tell me when / i want to know how much / i'm not sure which / what kind",
        but_not="or what / you know what / guess what / and where",
    ),
    rule(
        _OPEN, "more is announced than was said",
        r"\b(?:one|two|three|a few|a couple of|some|several|another|a|just one|one more|one last|one other) "
        r"(?:\w+ )?(?:questions?|things?|concerns?|favors?|requests?)$",
        r"\b(?:two|three|a couple of|a few|several) (?:\w+ )?(?:questions|things)\b",
        unless=(
            r"\b(?:questions|things)\b.*\b(?:and|also|then|second|secondly|next|plus|the other|finally)\b",
            r"\b(?:the|these|those) (?:two|three) things\b",
        ),
        catches="i have a question / just one quick thing / i have three questions when are you open",
        but_not="i have two questions when are you open and where / i have no questions",
    ),
    rule(
        _OPEN, "a sentence that only leads to the next",
        r"^(?:\w+ )?(?:to be honest|as far as i know|if i'm not mistaken|if i remember (?:correctly|right)"
        r"|long story short"
        r"|from what i (?:know|remember|understand)|for what it's worth|in any case|on the other hand"
        r"|in the meantime"
        r"|to start with|first off|in my case|the way i see it|in that case|as i said|like i said)$",
        r"\b(?:here's the thing|here (?:it|goes)(?: \w+)?|first of all|by the way|for example"
        r"|for instance|in other words)$",
        r"\b(?:it's like this|the reason (?:i'm calling|for my call|i called)"
        r"|(?:ask|tell) you something|to ask|as follows)$",
        r"\b(?:let me|i'll) (?:explain|spell (?:it|that)|give you \w+ \w+)$",
        r"\b(?:spelled|spelt|dot|underscore|at (?:gmail|yahoo|hotmail|outlook|icloud))$",
        rf"^{LEAD}"
        r"(?:so|well|and|but|then|also|plus|or|anyway|like|actually|because|now|look|listen|basically)$",
        r"\bname's$",
        rf"^{LEAD}(?:my|the) (?:\w+ ){{0,2}}"
        r"(?:number|code|id|zip|name|email|address|birthday|date of birth)$",
        catches="here's the thing / can i ask you something / and also / so / my phone number / it's spelled "
        "/ jane dot",
        but_not="spell it / what's the address / is that your number",
    ),
    rule(
        _OPEN, "taken back, to be said anew",
        r"\w+ \w+ (?:no|no wait|wait|wait no|sorry|no sorry|or rather|scratch that|no actually|actually no)$",
        r"\blet me (?:rephrase|start over|start again)$", r"\b([a-z']{2,}(?: [a-z']+)?) \1$",
        unless=(
            r"\b(?:or|say|said|says|mean|means|a|i'm|so|very|am|the|to|long|is|please|just"
            r"|can|are|still) (?:no|wait)$", r"\b(?:or|say|said|says|i'm|so|very|am|we're|feel) sorry$",
            r"^(?:(?:oh|no) )+(?:no|wait)$",
            r"\b(?:very very|really really|so so|bye bye|yes yes|yeah yeah|okay okay|hello hello|no no no)$",
            rf"\b(?:{WORDS_OF_NUMBERS})$",
        ),
        catches="the room the room / on monday at nine no wait / i want a sorry / my son sorry / i'd like "
        "tuesday no",
        but_not="i'm so sorry / yes or no / how long is the wait / do i have to wait / she said no",
    ),
)  # fmt: skip
