"""English: what callers say while they think, look something up, or want a moment. None of it is the matter.

Four families, by what they do (the "editing terms" and "stalls" of the literature on disfluency: Clark 1996,
Using Language, chapter 9): a request for a moment, a search that is told ("i had it a minute ago"), a
question to oneself ("what was his name"), and a preface that promises the matter ("the thing is").
"""

from __future__ import annotations

from voice_runtime.listen.word_lists import compiled, one_of
from voice_runtime.listen.words_en_classes import FILLERS, LEAD, LEAD_INS

_FILLER, _LEAD_IN = one_of(FILLERS), one_of(LEAD_INS)
_OWN = r"(?:my|the|a|an|this|that|our|his|her|their|your|some)"
#: "here", not of "here it is".
_HERE = r"here(?! (?:it|we|you)\b)"
#: "it" that is looked at, not the next sentence's.
_IT = rf"(?:(?:it|that|this|them|one)(?= (?:up|out|down|{_HERE}|again|now|first)\b|$)|{_OWN} \w+)"

# -- a moment, please ------------------------------------------------------------------------------------

_MOMENT = r"(?:moment|second|sec|minute|min|tick|mo|secs|seconds|minutes|bit)"
_SHORT_WAIT = (
    rf"(?:one|a|half a|another|two|two more|one more|a couple of) (?:quick |little |short )?{_MOMENT}"
)
_ONE_MOMENT = r"(?:just )?(?:one|a|half a) (?:quick |little )?(?:moment|second|sec|minute|mo|tick)"
_MOMENT_PLEASE = (
    rf"(?:(?:can|could|would) you )?(?:(?:just )?(?:give|gimme) (?:me )?|bear with me (?:for )?"
    rf"|hold on (?:for )?"
    rf"|hang on (?:for )?|wait (?:for )?|hold the line (?:for )?|i(?:'ll| just"
    rf"| will)? need )(?:just )?{_SHORT_WAIT}"
    r"|bear with me|hold on|hang on|hold the line|stay on the line|don't hang up|be right back|one sec"
    rf"|i'll be right (?:back|with you)|(?:^|\bokay |\bwell |\bso |\bjust |\boh |\bsorry ){_ONE_MOMENT}"
)

# -- a search that is told ---------------------------------------------------------------------------------

_LOOK = (
    "see check look try find get pull grab read open dig remember recall think write scroll log load search "
    "fetch ask turn figure"
)
_LOOKING = (
    "checking finding getting pulling grabbing reading opening digging writing scrolling logging loading "
    "searching fetching going walking turning thinking driving typing"
)
_SEEN_ON = (
    "calendar diary planner schedule phone notes wallet purse bag glasses computer laptop email emails app "
    "letter bill card statement paper papers paperwork file folder records husband wife daughter son mother "
    "boss partner list screen label box bottle"
)
_SEARCHES = (
    rf"let me (?:just |quickly |please |only )?(?:have|take) (?:a |another )?(?:\w+ )?(?:look|think|peek"
    rf"|check)"
    rf"|(?:let me|i'll|i will|i'm going to|i'm gonna|i should|i'd better|i'd have to|i'll have to|i have to"
    rf"|i need to|i'd need to|i'll need to) "
    rf"(?:just |quickly |first )?(?:{one_of(_LOOK)}) (?:up |at |in |on |for |out |through |under |over )?"
    rf"{_OWN} (?:\w+ )?{one_of(_SEEN_ON)}"
    rf"|let me (?:just|quickly|go|first|go and) \w+(?: (?:up|down|off|on|out|in))?(?: {_IT})?"
    rf"|let me (?:just |quickly |please |first )?{one_of(_LOOK)}"
    rf"(?: (?:up|at|in|on|for|out|through|into|back|of))?(?: {_IT})?(?: (?:up|out|down|{_HERE}|again|now"
    rf"|first))?"
    rf"|i'll (?:just |quickly )(?:go )?(?:and )?{one_of(_LOOK)}(?: (?:up|at|in|on|for))?(?: it"
    rf"| my \w+)?(?: up| out)?"
    rf"|(?:i'm (?:\w+ly )?|^(?:{_LEAD_IN} )*)(?:just|still|only) (?:double )?{one_of(_LOOKING)}(?! (?:if"
    rf"|whether|in with|to \w+)\b)"
    rf"(?: (?:up|at|in|on|for|out|through|into|back|over))*(?: {_IT})?"
    r"|i'm (?:trying to (?:remember|think|find|recall|look|see|read|work|figure)|looking (?:it up|for it|at"
    r"|through|in|on)"
    r"|checking now)(?: (?:what|where|when|who|how|which|my|the)(?: \w+){0,3})?"
    r"|i(?:'ve| have|'ll have)? (?:just |only )?(?:got to|gotta|have to|need to) (?:just |quickly )?(?:find"
    r"|get|grab|fetch|look for"
    r"|go and get|go get|pick up|open) (?:a|my|some|the) (?:pen|pencil|paper|piece of paper|glasses|card"
    r"|phone|charger|laptop"
    r"|calendar|diary|wallet|purse|bag|letter|bill|file|book|notebook|notes)"
    r"|i (?:wrote|put|saved|noted|scribbled|stuck|typed) (?:it|that|them)(?: down)? (?:on|in|at|under|behind"
    r"|inside)(?: \w+){1,5}"
    r"|i(?:'ve got| have| had| got| wrote| put| saved| just had| should have| must have|'ve had|'d got"
    r"|'d written"
    r"|'ve written| know i have|'m sure i have| think i have) (?:it|that|them|this|the (?:number|letter"
    r"|paper|card|email"
    r"|code|reference|name))(?: all)?(?: right)?(?: written)?(?: down| up| saved)? ?"
    r"(?:here|somewhere|in front of me|just now|(?:a|one) (?:minute|second|moment|sec) ago|on me|with me"
    r"|handy"
    r"|written down|in my \w+|on my \w+|noted|saved)(?: somewhere| here| in front of me| somewhere here)?"
    r"|(?:it's|it is|it was|they're|it should be|it must be|that's|it'll be) (?:(?:\w+ ){1,4})?somewhere"
    r"(?: (?:here|in here|around here|in \w+ \w+|on \w+ \w+))?|here somewhere"
    r"|i(?:'ll| will| can)? (?:tell|give|get|have|find|know) (?:you |it |that |it for |them )*in (?:a|one"
    r"|just a) "
    rf"{_MOMENT}"
    r"|(?:it's|it is|the \w+ is|the \w+'s|my \w+ is|my \w+'s|everything's) (?:just |still |really |so )?"
    r"(?:loading|coming up|opening|booting up|starting up|being slow|a bit slow|slow today|buffering"
    r"|updating)"
    r"|(?:nearly|almost) (?:there|got it|done|ready)|(?:i've|i) (?:almost|nearly) (?:got|have|found) it"
    r"|i can't (?:quite )?(?:find|see|read|make out|think of) (?:it|that|the \w+|my glasses"
    r"|my notes)(?: here| now"
    r"| anywhere| right now| at the moment)?"
    r"|i (?:always|keep) (?:forget|forgetting|mix \w+ up|getting \w+ mixed up)(?: it| that| this| which \w+"
    r"| the \w+)?"
    r"|i(?:'ve| have)? (?:just )?(?:forgot|forgotten|lost) (?:the (?:name|word|number)|my (?:train of thought"
    r"|place|thread))(?: now| again)?|i forget (?:the|his|her|its|what|which|where|who|how)(?: \w+){1,4}"
    r"|i(?:'d)? (?:knew|know) (?:it|this|that) (?:a|one|just) (?:\w+ )?ago|i(?: really)? should know (?:this"
    r"|that|it)"
    r"|i (?:just )?(?:had|was) (?:it|just looking at it|looking at it) (?:a|one) \w+ ago"
    r"|i was just looking at it"
    r"|i just had it|it'll come (?:back )?to me|it will come (?:back )?to me|my mind(?:'s| has| is|) "
    r"(?:just |gone |went )*blank|i(?:'ve| just)? (?:gone|went|drew|am drawing|'m drawing) (?:a )?blank"
    r"|don't tell me"
    r"|i'm drawing a blank|(?:it's )?on the tip of my tongue|i know i (?:wrote|put|had|saw|read|saved) (?:it"
    r"|that)"
    r"(?: \w+){0,3}|i (?:just )?(?:need|want) my (?:reading )?glasses"
)

# -- a question to oneself -----------------------------------------------------------------------------------

#: Nobody asks these of somebody else.
_TO_ONESELF = (
    rf"let's see(?: (?:now|{_HERE}))?|let me see(?: (?:now|{_HERE}))?|where was i|what was i (?:saying"
    rf"|going to say"
    r"|gonna say"
    r"|about to say|on about)|what am i (?:trying to say|saying|thinking of|looking for)"
    r"|how (?:do|can|should|shall|would|could|might) (?:i|you|one) (?:say|put|explain|describe|phrase)"
    r"(?: (?:this|that|it))?|what(?:'s| is| was) the (?:right )?(?:word|term|expression)(?: for (?:it|that"
    r"|this))?"
    r"|what do (?:you|they|i|we) call (?:it|that|them|those|this|these)(?: things?)?"
    r"|what(?:'s| is| was) (?:it|that|this|he|she|they) called(?: again| now)?"
    r"|where (?:did i|have i|'d i|on earth did i|did we) (?:put|leave|write|save|see|get)(?: (?:it|that|them"
    r"|this"
    r"|my \w+|the \w+))?(?: down| now)?|where (?:has|is|did) it (?:gone|gone now|go|now)|where's it gone"
    r"|what else(?: (?:was (?:there|it)|did i (?:want|need)|do i need|was i going to say))?"
    r"|now (?:where|what|who|when|which) (?:was|is|did)(?: \w+){1,3}"
)
#: These could be asked of the agent, unless they stand behind words they would make no sense with.
_BEHIND_WORDS = (
    r"what (?:was|is) it(?: called)?(?: again| now)?|what(?:'s| was| is) (?:his|her|its|their|that"
    r"|the) (?:\w+ )?"
    r"(?:name|word|number|thing|place|street|title|date|town|brand)(?: again| called| now)?"
    r"|when (?:was|is) (?:it|that)(?: again| now)?|(?:what|which) (?:day|date|month|year|one|time|number"
    r"|street|place) "
    r"(?:was|is) (?:it|that)(?: again| now)?|who was (?:it|that)(?: again)?|what did (?:they|he"
    r"|she) (?:call it|say"
    r"|tell me)(?: it was| again)?|or was it|or is it|where was (?:it|that)(?: again)?"
)

# -- a preface ---------------------------------------------------------------------------------------------

_PREFACE = (
    r"the (?:thing|point|problem|issue|trouble|situation|question|reason|fact|truth|story|matter|deal"
    r"|catch) is"
    r"|(?:here's|this is|that's) (?:the (?:thing|situation|problem|issue|deal)|what happened|my (?:question"
    r"|problem"
    r"|situation|issue))|what (?:happened|i mean|i'm saying|i want|i wanted to (?:say|ask)|i need to know"
    r"|i'm trying to say) (?:was|is)|how (?:it|this) (?:started|happened|works) (?:was|is)"
    r"|it's (?:just )?(?:that|like this|the following|a bit (?:of a )?(?:long story|complicated|tricky"
    r"|strange|odd)"
    r"|kind of (?:a long story|complicated|hard to explain)|a (?:long|funny) story|complicated"
    r"|hard to (?:explain"
    r"|describe|say)|difficult to explain)"
    r"|(?:maybe|perhaps|hopefully) you can help(?: me)?(?: (?:with this|out|here))?"
    r"|i(?:'m| was)? (?:not sure|hoping|wondering|don't know|hope) (?:if |whether )?you (?:can|could"
    r"|'ll be able to"
    r"|will be able to|might be able to|are able to|'re able to) help(?: me)?(?: (?:with (?:this|that"
    r"|something)|out|here))?"
    r"|you (?:might|may|should|could) be able to help(?: me)?(?: (?:with (?:this|that|something)|out|here))?"
    r"|i(?:'m not sure| don't know|'m trying to think)(?: exactly| really| quite)? how to "
    r"(?:say|put|explain|describe|phrase)(?: (?:this|that|it))?"
    r"|(?:this|it|that) (?:might|may|will|is going to|is gonna|'ll|must|probably) (?:\w+ )?sounds? (?:\w+ )?"
    r"(?:silly|stupid|strange|weird|odd|dumb|crazy|funny|ridiculous)"
    r"|(?:this|it) (?:might|may|is|could) (?:be )?(?:probably )?a (?:\w+ )?(?:silly|stupid|dumb|weird|odd"
    r"|strange"
    r"|quick|random|funny|bit of a \w+) question|(?:i have )?(?:a |just a |one )?(?:silly|stupid|dumb|quick"
    r"|random) "
    r"question|before i forget|(?:one|another) (?:more |other |last |final |quick )?thing|the (?:other|next"
    r"|first|last"
    r"|second|main) thing|i'm (?:not gonna lie|going to be honest|gonna be honest)|as you (?:know"
    r"|can imagine|may know"
    r"|might know|can see)|you know(?: (?:what|the|how))?|i mean|(?:kind|sort) of|believe it or not"
    r"|speaking of which|by the way|there(?:'s| is| was) (?:something|one thing|one other thing"
    r"|another thing|one more thing|one more)"
    r"(?: else)?"
)

#: Words that are no lead-in, and do not hand the question on ("can you tell me what's the name").
_MATTER = (
    rf"^{LEAD}(?!{_LEAD_IN} )\S+ (?:\S+ )*?(?<!me )(?<!know )(?<!ask )(?<!remember )(?<!sure )(?<!wondering )"
    r"(?<!about )(?<!and )(?<!see )"
)
#: At the end of a text: more is to come.
THINKING = compiled(
    rf"\b{_FILLER}$|^{LEAD}wait$"
    rf"|\b(?:{_MOMENT_PLEASE})(?: (?:please|sorry|thanks|while i(?: \w+){{1,6}}))*$"
    rf"|\b(?:{_SEARCHES})(?: (?:please|sorry|again|quickly|first|now|for you|real quick|real fast))*$"
    r"|\blet me (?:just |quickly |please |first )?(?:see|think|check|look|try|find|get|pull|grab|read|open"
    r"|dig"
    r"|remember|recall|start|write|have a look|take a look|ask|figure|work)"
    r"(?: (?:if|what|when|where|who|which|how|at|for|on|in|my|the|it|that|here|again|now|then|up|out|through"
    r"|with"
    r"|back|whether|a|an|around|exactly|just)\b(?: \w+){0,5})?$"
    rf"|\bi'm (?:\w+ly )?(?:just|still|only) {one_of(_LOOKING)}(?! (?:if|whether|in with"
    rf"|to \w+)\b)(?: \w+){{0,5}}$"
    rf"|^(?:{_LEAD_IN} )*(?:so|anyway|basically) (?:yeah|like|anyway|okay)$"
    rf"|\b(?:{_TO_ONESELF})$|\b(?:{_FILLER}|oh|ah|now|hmm|with|it's|is|was|for) (?:{_BEHIND_WORDS})$"
    rf"|{_MATTER}(?:{_BEHIND_WORDS})$"
    rf"|^{LEAD}what (?:was|is) (?:it|that called|it called)(?: again| now)?$"
    rf"|\b(?:{_PREFACE})(?: (?:right|like|well|so|yeah|basically|though))*$"
    r"|\S (?:oh (?:gosh|god|dear|shoot|man|boy|no|my|goodness|wait)|gosh|goodness|shoot|damn|ugh|argh)$"
)
#: Anywhere: what stands behind it is judged for itself.
ALOUD = compiled(rf"\b(?:{_MOMENT_PLEASE}|{_SEARCHES}|(?P<self>{_TO_ONESELF})|^{LEAD}wait)(?: please)?\b")
#: What stands behind it and belongs to it, or only says why the caller needs a moment.
EXCUSE = compiled(
    r"^(?!(?:what|when|where|who|how|which)(?: \w+)? (?:is|are|do|does|did|can|could|would|will|should) "
    r"(?:you|it|there|the|i|we|they|my|your)\b)(?:my|there's|i (?:can't|have to|need to|left|dropped|lost"
    r"|got|put|just|was)|i've (?:got|just|lost"
    r"|left)"
    r"|i'm (?:just|driving|outside|at|in|on|not)|i'll|we|we're|sorry|someone|somebody|the (?:kids|kid|baby"
    r"|dog|cat|phone|door|screen"
    r"|page|computer|app|battery|print|light|signal|line|doorbell|other)|he's|she's|they're|let|if|whether"
    r"|what|when"
    r"|where|who|how|which|at|on|in|for|with|because|while|until|till|to|from|of|under|through|over|out|up"
    r"|off|down|back|again|now|first"
    r"|while|so (?:i|that)|before|after)\b"
)
#: The caller is back.
RESUMES = compiled(
    r"\b(?:okay|ok|right|yes|yeah|ah|oh|got it|found it|here (?:it is|we (?:go|are)|you go)|there (?:it is"
    r"|we (?:go|are))"
    r"|(?P<ready>go (?:on|ahead)|carry on|ready|i'm ready|all set)|i(?:'ve| have)? (?:got|found|have) it"
    r"|i have it (?:now|here)|here)\b"
)
