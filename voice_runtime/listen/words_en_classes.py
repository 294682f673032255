"""English words by what they do in a sentence: closed classes, and the verbs and adjectives that want "
"more.
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import one_of

# -- classes of words -----------------------------------------------------------------------------------

FILLERS = "um umm uh uhh er erm hmm hm mm"
LEAD_INS = (
    f"{FILLERS} well so and but okay ok oh hello hi hey sorry yes yeah yep no nope sure then also now right "
    "alright actually great anyway maybe good listen look just thanks because plus"
)
PRONOUNS = "i you he she it we they"
SUBJECTS = (
    f"{PRONOUNS} this that these those there anyone anybody someone somebody everyone everything nobody one"
)
#: A subject and its verb in one word.
CONTRACTED = (
    "i'm i've i'd i'll you're you've you'd you'll he's he'd he'll she's she'd she'll it's it'll it'd we're "
    "we've we'd we'll they're they've they'd they'll that's that'll there's there'll here's"
)
BE_WORDS = "is are am was were isn't aren't wasn't weren't"
DO_WORDS = (
    "do does did can could will would shall should may might must don't doesn't didn't can't couldn't won't "
    "wouldn't shouldn't cannot"
)
HAVE_WORDS = "has have had hasn't haven't hadn't"
AUXILIARIES = f"{BE_WORDS} {DO_WORDS} {HAVE_WORDS}"
DETERMINERS = (
    "a an the my your his her our their its this that these those some any every each another no both either"
)
WH_BE = "what's when's where's who's how's what're who're"
WH = f"what when where who whom whose which why how {WH_BE}"
TITLES = "doctor dr mister mr mrs ms miss nurse professor"
PREPOSITIONS = (
    "of from with for at to by into onto without between during against through per toward towards under via "
    "regarding concerning including except despite upon about on in near behind beside after since around "
    "across above below before among beyond opposite within amongst unlike versus alongside "
    "beneath considering excluding throughout minus atop amid underneath worth facing containing involving "
    "overlooking following featuring"
)
CONJUNCTIONS = (
    "and or but nor as because cause if unless whether although while until till than plus however therefore "
    "whereas namely otherwise meanwhile wherever whoever whichever whenever providing supposing lest"
)
#: They say nothing without what they are done to.
TRANSITIVE = (
    "want wants wanted wanna need needs needed prefer get got make making take taking bring bringing find "
    "finding buy buying give giving send sending put tell telling ask asking show see seeing keep use using "
    "set add discuss describe include require visit afford expect recommend suggest treat handle replace "
    "bought brought found took gave sent made saw received noticed borrow lend sell arrange provide choose "
    "mention attach submit upload download verify remove install avoid renew obtain locate collect resolve "
    "collecting renting selling ordering booking replacing discussing arranging wearing carrying owe owes "
    "owed "
    "getting giving sending using showing putting adding telling accept accepts carry love loves loved "
    "hate hates hated enjoy enjoys enjoyed prefers preferred "
    "becoming contain contains misplaced chose brings takes makes gives owns lost"
)
#: The same, where they are no nouns: behind "to", a pronoun, an auxiliary.
TRANSITIVE_OR_NOUN = (
    "book order report request transfer refill claim cover charge raise address mail build rent hire "
    "exchange "
    "dispute repair fix purchase upgrade swap drop pick name sign schedule update"
)
#: They go with "to", or with something that is done.
TO_COME = (
    "keeps tends tend managed intends intend wish wishes refuses refused keep manages deserve ought hoping "
    "seem appear costs weighs totals attempting attempted appears remains consists depends depended "
    "insisted belongs "
    "belong relates"
)
#: Adjectives that go with "in", "to", "for".
ADJECTIVES_OF = (
    "interested allergic according similar unable able willing unwilling due based relating supposed aware "
    "capable responsible eligible addicted"
)
#: These may end a clause; a verb that is none of them wants more.
INTRANSITIVE = (
    "cancel reschedule pay come go leave wait help stay work start stop finish begin end move park eat "
    "drink sleep "
    "swim drive walk run fly travel talk speak listen hear see know understand remember forget think ask "
    "answer "
    "call ring phone text write reply respond apply register enroll join sign subscribe unsubscribe complain "
    "apologize agree refuse decide vote win lose play study learn read sing dance cook clean shop order "
    "deliver "
    "ship arrive return change upgrade confirm check connect reset restart continue proceed retire quit "
    "smoke "
    "breathe cough sneeze hurt bleed fall sit stand lie bend turn rest relax exercise recover heal die live "
    "happen matter depend vary count open close lock fit fail break crash freeze leak burn rise expire "
    "last care "
    "mind worry cry laugh celebrate meet marry relocate hurry rush try do say rsvp volunteer participate "
    "attend "
    "rain snow commute rebook qualify log proceed repeat explain hold look bother refinance invest save "
    "donate retry"
)
#: What may have been done to nothing: a clause may end with it.
DONE_TO_NOTHING = (
    "stopped started finished ended moved called phoned texted replied answered arrived worked failed "
    "crashed "
    "changed died happened agreed cancelled canceled closed opened retired expired exploded cracked "
    "increased "
    "applied ordered tried waited asked talked listened stayed helped cried laughed passed collapsed fainted "
    "recovered travelled traveled parked walked jumped slipped tripped vomited jammed leaked married "
    "divorced "
    "registered disappeared complained apologized checked cleared dropped dried faded escaped existed hoped "
    "rescheduled need need indeed bed red feed speed bleed exceed proceed wed shed led bled fed sped"
)
#: Verbs that another one with "to" follows.
BEFORE_TO = (
    "need needs needed want wants wanted like love hoping trying tried going supposed able have has had hope "
    "plan planning prefer wish how ready about got wondering allowed possible willing"
)
#: Other people's words, or one's own thoughts, follow.
REPORTING = (
    "said says say saying told think thinks thought guess hope believe suppose mean means meant wonder "
    "wondered assume imagine figured realized realised noticed claims claimed insists insisted reckon "
    "reckons indicated remembered promised "
    "understood confirmed explained suggested recommended mentioned heard"
)
#: They go with "to", "for", or a noun.
UNDER_WAY = (
    "looking calling hoping trying planning going thinking supposed able unable willing wondering asking "
    "considering referring concerned related"
)
ADVERBS = (
    "just only even also actually probably possibly basically usually almost nearly especially particularly "
    "very really quite too rather exactly mainly mostly either neither not never simply merely roughly "
    "approximately somewhat fairly pretty extremely supposedly normally generally eventually constantly "
    "currently recently previously originally officially unfortunately apparently obviously honestly "
    "hopefully presumably typically"
)
#: They describe a noun, which follows.
ADJECTIVES = (
    "new old small big large little different nice whole regular quick couple nearby possible available good "
    "bad great better bigger smaller larger cheaper newer older long short high low young huge tiny proper "
    "certain specific particular various several entire main major minor real local extra additional private "
    "public full personal medical dental financial legal official annual monthly weekly daily free cheap "
    "expensive clean dirty weird strange horrible terrible awful lovely brand severe sharp mild bright dark "
    "heavy hot cold warm loud quiet single current recent previous former original upcoming wrong "
    "outstanding electric digital automatic beautiful gorgeous fancy simple easy difficult"
)
#: That it did, says that when or how follows.
ASPECT = "smells tastes keeps started began happened lasted seems seemed looked felt sounds became becomes "
"occurred"
IMPERATIVES = (
    "cancel book call send transfer tell repeat move change reschedule schedule confirm check give put make "
    "take show help remind forget leave let try add remove connect text email say switch reserve look find "
    "explain read get bring pick drop fax mail update delete start keep come go turn order"
)
FINITE_WORDS = (
    f"{BE_WORDS} {HAVE_WORDS} {DO_WORDS} works worked work needs need wants want wanted likes seems looks "
    "hurts says said told sent gave got came went took broke started stopped thinks knows takes costs starts "
    "ends lives recommended sounds suits fits fell"
)

# -- and patterns made of them ----------------------------------------------------------------------

LEAD = f"(?:{one_of(LEAD_INS)} )*"
#: Of a clause, not of a name.
STOP = one_of(f"{PRONOUNS} {CONTRACTED} {AUXILIARIES} {WH} {FILLERS} because if that than as me him us them")
#: What is asked for; "who fixed it" is no question about what comes.
AND_WHAT = (
    rf"(?:what(?! (?:time|day)\b)|which|who(?= (?:{one_of(AUXILIARIES)}|{one_of(SUBJECTS)}|else)\b)|whom"
    rf"|whatever"
    r"|whichever)"
)
ALL = (
    r"(?:all|everything|anything|something|nothing|one|ones|only thing|thing|things|least|best|most|earliest"
    r"|latest|cheapest)"
)
PRONOUN, SUBJECT, AUXILIARY = one_of(PRONOUNS), one_of(SUBJECTS), one_of(AUXILIARIES)
DETERMINER, SHORT, TITLE = one_of(DETERMINERS), one_of(CONTRACTED), one_of(TITLES)
BE, DO, WH_WORD, FINITE = one_of(BE_WORDS), one_of(DO_WORDS), one_of(WH), one_of(FINITE_WORDS)
PREPOSITION = one_of(PREPOSITIONS)
THIS = "(?:it|you|that|this|there|these|those)"
#: "what should i bring", "the one i want": what the last verb wants went before.
FRONTED = rf"\b(?:{AND_WHAT}|how many|how much|{ALL})\b(?: \w+)*? {SUBJECT}\b(?: \w+)* \w+$"
#: "how much would the deposit be", "how long does a perm take".
ASKED_FOR = (
    r"\b(?:how (?:long|much|many|often|far|soon|old|big)|what|which)(?: \w+){0,2} (?:would|will|should"
    r"|could|can|does|do|did|might) "
    rf"(?:the|a|an|my|your|our|his|her|their|this|that|{PRONOUN})\b(?: \w+){{0,3}} "
    r"(?:be|take|cost|need|have|get|bring|use|include|require|want|owe|see|find|buy|make|say|recommend"
    r"|suggest)$"
)
