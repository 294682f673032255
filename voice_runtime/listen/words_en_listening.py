"""English: the grammar of listening ("mhm", "oh that's very good to know"). Values only.

Its parts are those of the inventories of conversation: continuers, acknowledgements, assessments, news
receipts and "backchannels in question form" of the Switchboard SWBD-DAMSL coders' manual (b, bk, ba, bh, aa:
https://web.stanford.edu/~jurafsky/ws97/manual.august1.html) and the response tokens of Carter and McCarthy,
*Cambridge Grammar of English* (2006); British, Irish, Scottish and Australian ones beside the American.

A bare "yes" is none of them: that answers. What begins like an objection, a question or a request ("no
problem", "how nice", "please go on", "it's fine") mostly goes on otherwise, and is waited for all the same:
the agent is silent meanwhile, and one that stopped for a "no problem" has lost its sentence.
"""

from __future__ import annotations

from voice_runtime.listen.listening import Listening

#: An assessment that stands alone ("lovely").
_FINE = (
    "good|great|fine|nice|perfect|lovely|wonderful|excellent|awesome|amazing|fantastic|brilliant"
    "|super|superb|terrific|cool|neat|sweet|interesting|fascinating|incredible|unbelievable|marvelous"
    "|marvellous|splendid|grand|smashing|ideal|fabulous|beautiful|outstanding|tremendous|delightful"
    "|magic|magnificent|champion|better|impressive|dandy|fab|okay|ok|all right|alright|right|fair"
    "|true|correct|funny|phenomenal|remarkable|swell|stellar|spot on|bang on|exciting|hilarious|wild"
    "|crazy|insane|wicked|legit|solid|tidy|decent|class|mint|ace|brill|dope|rad|mega|sick"
)
#: One that is only said *of* something ("that's clear").
_SUCH = (
    "clear|handy|convenient|reasonable|sensible|reassuring|comforting|encouraging|thoughtful"
    "|considerate|kind|sad|surprising|understandable|easy|simple|quick|fast|cheap|generous|so"
    "|it exactly|for sure|helpful|useful|plenty|a fact|new|unusual|strange|odd|weird|cute|adorable"
    "|logical|obvious|important|significant|special|touching|thorough|detailed|informative"
    "|unfortunate|tragic|awful sad|too bad|promising|positive|appealing|tempting|affordable|workable"
    "|doable|acceptable|satisfactory|pleasant|charming|intriguing|curious|shocking|scary|rough|tough"
    "|hard|mad|bonkers|mental|ironic|bananas|unreal|a lot|news to me|me|the one|the truth|how it goes"
    "|how it is|life|settled|sorted|done|a deal|the spirit|the idea|the plan|the way|what's up"
    "|what i thought|what i figured|what i heard|what i mean|what i mean too|what i like to hear"
    "|what i expected|what i was thinking|what i was hoping|what i hoped|what they said|what i needed"
    "|what i understood|what i need to know|all i needed to know|all i need to know"
)
_VERY = (
    "very really so pretty quite just all absolutely totally completely perfectly simply awfully "
    "extremely super real mighty rather most truly certainly definitely indeed even much ever "
    "entirely exactly actually always only also such still proper dead jolly bloody"
)
#: Those that may begin an utterance which only listens.
_FIRST_VERY = "very really pretty quite all absolutely totally completely perfectly extremely rather truly"
#: Before "know", "understand".
_SURELY = "totally|completely|fully|quite|certainly|absolutely|definitely|perfectly|entirely|can"

#: Whom one speaks to.
_SIR = (
    "sir|ma'am|madam|miss|doctor|doc|nurse|love|dear|darling|mate|man|dude|buddy|pal|bro|guys|honey"
    "|hon|hun|sweetheart|sweetie|sugar|folks|girl|lad|lass|boss|chief|friend|my friend|my dear"
    "|my love|young man|young lady|y'all|brother|duck|pet|hen|son"
)
_TAILS = f"{_SIR}|then|there|yes|as well|too|indeed|you know|isn't it|doesn't it|innit|eh|ay|for you|enough"

ENGLISH_LISTENING = Listening(
    lists={
        "fine": _FINE,
        "such": _SUCH,
        "very": _VERY,
        "first_very": _FIRST_VERY,
        "surely": _SURELY,
        "that": "that's|that sounds|that all sounds|that'd be|that would be|that'll be|sounds|seems",
        "it": (
            "that is|that was|that must be|that has to be|this is|it's|it is|it was|it sounds|it seems"
            "|it all sounds|it'd be|it would be"
        ),
        "thing": (
            "news|idea|point|question|stuff|job|work|one|thing|deal|thinking|call|plan|choice|surprise|relief"
            "|shame|pity|story|answer|way|help|advice|tip|start|day|offer|price|catch|bummer|blessing|treat"
            "|joy|pleasure|weight off my mind|load off my mind|coincidence|good one|lifesaver|bargain|steal"
        ),
        "to_whom": ("to me|by me|with me|for me|to us|by us|with us|for us|from here|on my end|for now"),
        "to_know": "to know|to hear|to have|to see|to hear it|to hear that|to know that",
        "goodness": "goodness|gosh|god|word|lord|days|stars|heavens|goodness me|goodness gracious",
        "what": (
            "it|that|this|you|ya|so|what you mean|what you're saying|what you said|what you are saying"
            "|your point|the point|the idea|the picture|the gist|the drill|where you're coming from"
            "|the feeling|that one|how it is|how that is|how it works|why|all that|all of that|all about it"
            "|that already|as much|that now|it now|that bit|that part|that much"
        ),
        "so_much": (
            "so much|very much|very much indeed|kindly|a lot|again|ever so much|a million|a bunch|a ton"
            "|very kindly|sincerely|loads|ever so|awfully"
        ),
        "for_that": (
            "for that|for letting me know|for telling me|for explaining|for explaining that|for checking"
            "|for your help|for the help|for the info|for the information|for clarifying|for confirming"
            "|for looking|for all that|for your time|for your patience|for doing that|for the update"
            "|for everything|for looking into it|for looking into that"
        ),
        "sense": (
            "sense|perfect sense|total sense|complete sense|good sense|a lot of sense|some sense|more sense"
            "|much more sense|perfectly good sense|sense now"
        ),
        "sir": _SIR,
        "as_much": "as much",
        "the_same": "the same",
    },
    alone="no what who how please don't",
    openers="yes|yeah no|yeah nah|yeah yeah no",
    tails=_TAILS,
    tokens=(
        # -- sounds that say: go on
        "mhm/mhmm/mm/mmm/mmhm/mmhmm/hm/hmm/huh/uh/um/er/erm/ah/aha/ahh/oh/ohh/ooh/oooh/aw/aww/uhuh/hmmm"
        "/ehm/och|mm hm/hmm/mm|uh huh|um hm/hum/hmm|hm hm|ah ha/hah|ha|haha/hehe/heh|ha ha"
        # -- acknowledgements
        "|yeah/yep/yup/yah/ya/yea/aye/okay/ok/kay/mkay/righto/righty/sure/certainly/absolutely"
        "/definitely/totally"
        "|exactly/precisely/indeed/agreed/correct/understood/noted/gotcha/roger/copy/affirmative"
        "/naturally/quite/surely/received/amen/bingo|okey/okie doke/dokey/dokie|righty ho/oh"
        "|right ho/oh/on|right you are|yes yes|yes <sir>|yessir/yessiree|all right/good/clear/set"
        "|all right now|of course|sure thing/enough|by all means|for sure/certain/real|very well/true"
        "|fair enough/play/dos|point taken|got it/that/you/ya|copy/roger that|ten four"
        "|i got/gotcha it/that/you/ya?|quite so/right|too right/true|more or less|pretty much"
        "|as i thought/expected/suspected|same here|me too/neither/either|same with me"
        "|most certainly/definitely|without a doubt|to be sure|as you say"
        "|you're <very>* right/welcome/kind/kidding/joking|okay so far|like you said|absolutely right"
        "|exactly right|that'll work/do|imagine that|fancy that"
        # -- assessments
        "|<fine>|<first_very> <very>* <fine>|<that> <very>* <fine>/<such> <thing>/<to_know>/<to_whom>?"
        "|<that> a/an/some <very>* <fine>? <thing>|good/great/fine/nice/perfect/fair/sweet <thing>"
        "|<fine> <to_whom>/<to_know>|glad/happy <to_know>|nice/good/kind/sweet of you"
        "|<that> <very>* <fine>/<such> of you|fine and dandy|sounds like a plan|sounds like it"
        "|sounds about right|that sounds like a plan|that sounds about right"
        "|that? makes <sense> <to_whom>?|that? all? works <very>* <fine>? <to_whom>?"
        "|works <fine>? <to_whom>?|that? helps <so_much>?|that would work/help/do"
        "|that explains it/that/everything|figures|suits me <fine>?|that suits me <fine>?|seems so"
        "|big help|such a relief|thank <goodness>|looking forward to it|love it/that|i love/like it/that"
        "|i like the sound of that"
        # -- what the listener has in mind
        "|i <surely>* see/know/understand/get/hear/agree/follow/appreciate/believe/imagine/bet/gather"
        "/remember/recall/realize/realise <what>?|i see what you mean|i know right"
        "|i <surely>? agree with you/that|i guess/suppose/figured so?|see/know/get/hear what you mean"
        "|i'll bet|i could imagine|appreciate it/that/you|makes <sense> <to_whom>?|hear hear|still here"
        "|right here|following|listening|with you|with you so far|we'll see|learn something new every day"
        # -- thanks
        "|thank you <so_much>? <for_that>?|thanks <so_much>? <for_that>?|cheers|ta|many thanks"
        "|much appreciated/obliged"
        # -- news
        "|really|seriously"
        "|wow/whoa/gosh/golly/jeez/geez/gee/goodness/gracious/phew/yay/hooray/blimey/crikey/crumbs/yikes"
        "/ouch/oof/sheesh/dang/darn/shoot|mercy|lord|lord have mercy|lordy|snap|oh my <goodness>?"
        "|oh boy/man/dear/god/lord/snap/well/really|dear me|goodness me|good lord/grief/heavens/gracious"
        "|boy oh boy|holy cow/moly/smokes|is that so/right/true|that right|that so"
        "|oh did/does/is/was/has they/it/he/she|bless|bless you/her/him/them"
        "|oh/ah/aw how <very>* <fine>/<such>|oh/ah/aw what a/an <very>* <fine>? <thing>"
        "|oh/ah/aw that's a <thing>"
        # -- go on
        "|go on/ahead|go right ahead|go for it|carry on|keep going|continue|proceed|take your time"
        "|do go on|fire away|after you"
        # -- around here
        "|lovely jubbly|good oh|good on you|sweet as|sounds a treat|grand so|och aye|fair dinkum|ripper"
        "|cracking|belter|nice one|legend|bet|word|facts"
        # -- what begins like an objection, a question or a request
        "|i guess/suppose/reckon/imagine/think/hope/believe/expect so"
        "|i heard/saw/noticed/read/figured/suspected/expected/assumed/thought that/so/<as_much>"
        "|i was hoping/thinking/wondering/expecting/afraid/about so/that/<the_same>|i was hoping for that"
        "|i was just wondering that|i was wondering about that|i thought/figured/expected as much"
        "|you bet/betcha|you said it|you got it|you know it|you don't say|you are right"
        "|a <very>* <fine> <thing>|can't wait|just as i thought/expected/hoped|i never knew that"
        "|i didn't know/realize/realise that|i'm sure|i'm with you|i'm following <what>?|i'm listening"
        "|i'm all ears|i'm glad <to_know>?|i've got it/that/you|i've heard that|my <goodness>|my my"
        "|will do|don't i know it|it figures|i'm here|i'm still here|so be it|so it is|so they say"
        "|so far so good|<it> <very>* <fine>/<such> <thing>/<to_know>/<to_whom>?"
        "|<it> a/an/some <very>* <fine>? <thing>|just <very>* <fine>|so <very>* <fine>"
        "|this/it makes <sense> <to_whom>?|it all? works <to_whom>?|it helps|it would work/help/do"
        "|it explains it/that/everything|it suits me <fine>?"
        "|no problem/worries/rush/bother/trouble/kidding/way/doubt/sweat/hurry|no problem/worries at all"
        "|not a problem/bother|not at all|not bad <to_whom>?|not too bad|don't worry|don't mention it"
        "|how about that|how <very>* <fine>/<such>|what a/an <very>* <fine>? <thing>|what do you know"
        "|who knew|tell me about it|well well <fine>?"
        "|well okay/ok/sure/yes/yeah/alright/good/great/thanks|well thank you|well i never|well of course"
        "|well <that> <very>* <fine>/<such>|well <that> a <thing>|please do|please go on/ahead"
        "|please continue|please carry on|wouldn't you know|can't complain|couldn't agree more"
    ),
)
