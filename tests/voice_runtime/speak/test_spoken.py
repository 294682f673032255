"""The spoken form: what is written becomes what is said, nothing that means something is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.speak.spoken import GRAMMARS, Reader, spoken_form, spoken_phrases, tidy

EN, ES = "en-US", "es-US"


def said(text: str, language: str = EN) -> str:
    return spoken_form(text, language, {})


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        # times
        ("At 10:30 AM.", "At ten thirty AM."),
        ("at 10:30 a.m. on Friday", "at ten thirty AM on Friday"),
        ("We close at 5 p.m.", "We close at five PM."),
        ("2:15pm or 10:05", "two fifteen PM or ten oh five"),
        ("at 10:00", "at ten o'clock"),
        ("at 10.30, not 10.30 dollars", "at ten thirty, not ten point three zero dollars"),
        ("from 9:00 to 17:30", "from nine o'clock to five thirty PM"),
        ("0:15 or 12:00 PM", "twelve fifteen AM or twelve PM"),
        ("25:99", "twenty-five to ninety-nine"),
        # dates
        ("on Nov. 24, 2026, at ten", "on November twenty-fourth, twenty twenty-six, at ten"),
        ("24 November 2026", "the twenty-fourth of November, twenty twenty-six"),
        ("the 24th of November", "the twenty-fourth of November"),
        ("Nov 24-26", "November twenty-fourth to twenty-sixth"),
        ("in March 2027", "in March twenty twenty-seven"),
        ("born 3/7/1985", "born March seventh, nineteen eighty-five"),
        ("on 11/24", "on November twenty-fourth"),
        ("2026-11-24", "November twenty-fourth, twenty twenty-six"),
        ("2026-11-24T10:30", "Tuesday, November twenty-fourth at ten thirty"),
        ("2026-11-24T15:00:00+01:00", "Tuesday, November twenty-fourth at three PM"),
        ("2026-13-44", "two zero two six, one three, four four"),
        ("Mon–Fri, Sat. and Sun.", "Monday to Friday, Saturday and Sunday."),
        ("May 5? May I?", "May fifth? May I?"),
        ("I'm free 11/24-11/26", "I'm free November twenty-fourth to November twenty-sixth"),
        # money
        ("$5.50, $1, $0.75 and $1,234.56", "five dollars and fifty cents, one dollar, seventy-five cents and "
         "one thousand two hundred thirty-four dollars and fifty-six cents"),
        ("a $50 copay is $50", "a fifty dollar copay is fifty dollars"),
        ("$5–$10 or $1.2 million", "five to ten dollars or one point two million dollars"),
        ("-$5, 20 USD, 50¢, $15/hr", "minus five dollars, twenty dollars, fifty cents, "
         "fifteen dollars per hour"),
        ("€3.20", "three euros and twenty cents"),
        # telephone numbers, codes
        ("Call 202-555-0143.", "Call two zero two, five five five, zero one four three."),
        ("(202) 555-0143 ext. 12", "two zero two, five five five, zero one four three, extension one two"),
        ("+12025550143", "plus one, two zero two, five five five, zero one four three"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("dial 911 or 988", "dial nine one one or nine eight eight"),
        ("9-1-1", "nine one one"),
        ("2 0 2, 5 5 5, 0 1 4 3", "two zero two, five five five, zero one four three"),
        ("Your code is 4521.", "Your code is four five two one."),
        ("ending in 111", "ending in one one one"),
        ("account 123456789", "account one two three, four five six, seven eight nine"),
        ("4111 1111 1111 1111", "four one one one, one one one one, one one one one, one one one one"),
        ("219-09-9999", "two one nine, zero nine, nine nine nine nine"),
        ("zip 94110-1234", "zip nine four one one zero, one two three four"),
        ("A1C, B12, COVID-19, AB12CD", "A one C, B twelve, COVID nineteen, A B twelve C D"),
        ("room 4B, a 24-hour line", "room four B, a twenty-four hour line"),
        # amounts
        ("50%, 2.5% or 10-15%", "fifty percent, two point five percent or ten to fifteen percent"),
        ("10mg, 5-10 mL, 1 lb.", "ten milligrams, five to ten milliliters, one pound."),
        ("98.6°F and -5°", "ninety-eight point six degrees Fahrenheit and minus five degrees"),
        ("6'2\", 3x a day, 60 mph", "six feet two inches, three times a day, sixty miles per hour"),
        ("the 1st, 22nd and 103rd", "the first, twenty-second and one hundred third"),
        ("1/2, 2½, ¾, 120/80, 24/7", "one half, two and a half, three quarters, "
         "one hundred twenty over eighty, twenty-four seven"),
        ("1 1/2 cups, 50/50", "one and a half cups, fifty fifty"),
        ("in 1905, the 1990s, her 30s", "in nineteen oh five, the nineteen nineties, her thirties"),
        ("1,000,000 or 10000 or 0.5", "one million or ten thousand or zero point five"),
        ("007 and 3:1", "zero zero seven and three to one"),
        ("9-5 and 2024–2026", "nine to five and twenty twenty-four to twenty twenty-six"),
        ("1234567890123", "one two three, four five six, seven eight nine, zero one two three"),
        # addresses
        ("221 Baker Street, 4521 Oak Ave.", "two twenty-one Baker Street, forty-five twenty-one Oak Avenue."),
        ("12 Oak Dr. near St. Mary", "twelve Oak Drive near Saint Mary"),
        ("45 Mill St.", "forty-five Mill Street."),
        ("400 W. Main St., Suite 210", "four hundred West Main Street, Suite two ten"),
        ("555 Elm Ave, Apt 4B, room 204", "five fifty-five Elm Avenue, apartment four B, room two oh four"),
        ("Apt. 5, No. 7", "apartment five, number seven"),
        ("desk@example.org", "desk at example dot org"),
        ("https://www.example.com/a-b", "example dot com slash a dash b"),
        ("See example.org.", "See example dot org."),
        # abbreviations and signs
        ("Dr. Patel, Mr Lee and Ms. Okafor", "Doctor Patel, Mister Lee and Miz Okafor"),
        ("e.g. tea, i.e. that, etc.", "for example tea, that is that, et cetera."),
        ("I said no. It is very apt.", "I said no. It is very apt."),
        ("The answer is no. 5 came.", "The answer is no. five came."),
        ("tea & cake, w/o milk, his/her", "tea and cake, without milk, his or her"),
        ("press * or #, then *67, 2*3", "press star or pound, then star sixty-seven, two times three"),
        ("#5, ~5, 5+", "number five, about five, five plus"),
        # left alone
        ("MRI, OK, NASA: a.k.a. nobody → ☃ §", "MRI, OK, NASA: a.k.a. nobody → ☃ §"),
        ("We open at nine.", "We open at nine."),
    ],
)  # fmt: skip
def test_english(written: str, spoken: str) -> None:
    assert said(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("a las 10:30 a. m.", "a las diez y media de la mañana."),
        ("a las 3 p.m., a la 1:00 p. m. y a la 1", "a las tres de la tarde, a la una de la tarde y a la una"),
        ("de 9:15 a 21:00", "de nueve y cuarto a nueve de la noche"),
        ("el 24 de noviembre de 2026", "el veinticuatro de noviembre de dos mil veintiséis"),
        ("1 de mayo, 3-5 de junio", "primero de mayo, tres a cinco de junio"),
        ("2026-11-24T10:30", "martes, veinticuatro de noviembre, a las diez y media"),
        ("24/11/2026 y 11/24/2026", "veinticuatro de noviembre de dos mil veintiséis y "
         "veinticuatro de noviembre de dos mil veintiséis"),
        ("03/04/2026", "tres, cuatro, dos mil veintiséis"),
        ("$5.50, $1 y $21", "cinco dólares con cincuenta centavos, un dólar y veintiún dólares"),
        ("$1 millón, MX$50", "un millón de dólares, cincuenta pesos"),
        ("50% o 2.5%", "cincuenta por ciento o dos punto cinco por ciento"),
        ("1 lb, 21 lb, 10 mg", "una libra, veintiuna libras, diez miligramos"),
        ("Llame al 202-555-0143 o al 911.", "Llame al dos cero dos, cinco cinco cinco, "
         "cero uno cuatro tres o al nueve uno uno."),
        ("Su código es 4521.", "Su código es cuatro cinco dos uno."),
        ("21 pacientes, las 21 citas, 31 horas", "veintiún pacientes, las veintiuna citas, "
         "treinta y una horas"),
        ("1 hora, 1 minuto, 1 para Ana", "una hora, un minuto, uno para Ana"),
        ("lun. a vie., el 15/5", "lunes a viernes, el quince de mayo"),
        ("1er piso, 2da vez, 3.º", "primer piso, segunda vez, tercero"),
        ("La Dra. López y el Sr. Gil", "La doctora López y el señor Gil"),
        ("Ud. vive en EE. UU., etc.", "usted vive en Estados Unidos, etcétera."),
        ("Av. Central núm. 7, 45 Mill St.", "avenida Central número siete, cuarenta y cinco Mill Street."),
        ("Es un ave.", "Es un ave."),
        ("desk@example.org", "desk arroba example punto org"),
        ("él/ella, y/o, *", "él o ella, y o, asterisco"),
        ("El lunes a las diez.", "El lunes a las diez."),
    ],
)  # fmt: skip
def test_spanish(written: str, spoken: str) -> None:
    assert said(written, ES) == spoken


@pytest.mark.parametrize("language", ["en-GB", "de-DE", "es-ES", "xx"])
def test_other_languages_have_only_the_lexicon(language: str) -> None:
    assert (
        spoken_form("Dr. Okafor, 10:30, $5", language, {"okafor": "oh-KAY-for"})
        == "Dr. oh-kay-for, 10:30, $5"
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("**Note:** it is _free_, `really`.", "Note: it is free, really."),
        ("## Hours", "Hours"),
        ("- tea", "tea"),
        ("> - [x] tea", "tea"),
        ("[our page](https://example.org/a)", "our page"),
        ("![a map](map.png) here", "a map here"),
        ("it <b>is</b> ec<i></i>zema<br/>now", "it is eczema now"),
        ('<phoneme ph="x">hi</phoneme>', "hi"),
        ("tea &amp; cake&nbsp;now", "tea & cake now"),
        ("ec\u00adze\u200bma", "eczema"),
        ("| a | b |", "a, b"),
        ("press *67 or * or 2*3", "press *67 or * or 2*3"),
        ("snake_case a_b@example.org", "snake_case a_b@example.org"),
        ("if a <b and c> d", "if a <b and c> d"),
        ("**half of it", "half of it"),
        ("ec*ze*ma and *ec*_zema_", "eczema and eczema"),
        ("  spaced \t out ", "spaced out"),
    ],
)
def test_markup_goes_its_words_stay(written: str, shown: str) -> None:
    assert tidy(written) == shown
    assert Reader(EN).read(written).shown == shown


def test_a_caption_shows_what_is_written_unless_it_is_for_machines() -> None:
    reader = Reader(EN, {"Okafor": "oh-KAY-for"})
    assert reader.read("**Dr. Okafor** at 10:30").shown == "Dr. Okafor at 10:30"
    read = reader.read("Dr. Okafor, 2026-11-24T10:30")
    assert read.shown == read.unlexed == "Doctor Okafor, Tuesday, November twenty-fourth at ten thirty"
    assert read.text == "Doctor oh-kay-for, Tuesday, November twenty-fourth at ten thirty"


@pytest.mark.parametrize(
    ("played", "sounded"),
    [
        ("Doctor oh-kay-for, ten thirty AM. Shall I book it?", True),
        ("doctor oh-kay-for, ten thirty am", True),
        ("Doctor oh-kay-for, ten thirty", False),
        ("Doctor oh-kay-for, ten", False),
        ("", False),
    ],
)
def test_whether_a_read_back_sounded(played: str, sounded: bool) -> None:
    assert Reader(EN, {"Okafor": "oh-KAY-for"}).sounded("Dr. Okafor, 10:30 a.m.", played) is sounded


# --- the lexicon ----------------------------------------------------------------------------------

LEXICON = {
    "Okafor": "oh-KAY-for", "San José": "san ho-ZAY", "José": "ho-zay", "A1C": "a one see", "MRI": "M R I",
    "doctor": "DOC-tor", "24/7": "all day", "O'Neil": "oh neel",
}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Okafor, OKAFOR, okafor's", "oh-kay-for, oh-kay-for, oh-kay-for's"),
        ("Okaforia, Okafor-Smith, Xokafor", "Okaforia, Okafor-Smith, Xokafor"),
        ("San  José and José", "san ho-zay and ho-zay"),  # the longest first
        ("Dr. Okafor", "doc-tor oh-kay-for"),  # after what was abbreviated
        ("A1C, 24/7, MRI", "a one see, all day, M R I"),
        ("O’Neil", "oh neel"),
    ],
)
def test_the_lexicon(written: str, spoken: str) -> None:
    assert spoken_form(written, EN, LEXICON) == spoken


def test_an_empty_entry_is_none() -> None:
    assert spoken_form("so it is", EN, {" ": "x", "so": " "}) == "so it is"


def test_fixed_phrases_are_read_in_their_language() -> None:
    phrases = {"a": {EN: "At 10, Okafor.", ES: "A las 10."}, "b": {EN: "Press 0."}}
    assert spoken_phrases(phrases, {EN: {"Okafor": "o"}}) == {
        "a": {EN: "At ten, o.", ES: "A las diez."},
        "b": {EN: "Press zero."},
    }


# --- properties -----------------------------------------------------------------------------------

LANGUAGES = st.sampled_from([EN, ES])
#: Words that are in no rule, whatever stands beside them.
WORDS = st.text(alphabet="bcfghjkwz", min_size=4, max_size=9)
PIECES = st.sampled_from(
    [
        "10:30", "10:30 a.m.", "$5.50", "50%", "2.5", "1,000", "202-555-0143", "911", "11/24/2026",
        "2026-11-24", "2026-11-24T10:30", "10mg", "3x", "1st", "½", "A1C", "COVID-19", "#5", "*", "#", "&",
        "+", "-5", "5-10", "Dr.", "St.", "etc.", "Nov.", "24", "www.example.com", "a@example.org", "**",
        "_", "`", "[x](y)", "<b>", "|", "0", "1", "007", "1990s", "24/7", "w/o", "°F", "$", "%", "las",
        "a la 1", "1er", "«", "…", "—", "\u00ad", "☃", "123456789", "1.2.3", "6'2\"", "+1", "(202)", "@",
        "~5", "=", "/", ":", "\n",
    ]
)  # fmt: skip
MIXED = st.lists(st.tuples(st.one_of(PIECES, WORDS), st.sampled_from(["", " ", " "])), max_size=30).map(
    lambda parts: "".join(a + b for a, b in parts)
)


@settings(deadline=None)
@given(st.one_of(MIXED, st.text(max_size=200)), LANGUAGES)
def test_what_is_spoken_already_stays(text: str, language: str) -> None:
    once = said(text, language)
    assert said(once, language) == once


@settings(deadline=None)
@given(st.lists(st.tuples(WORDS, st.lists(PIECES, max_size=3)), max_size=12), LANGUAGES)
def test_no_word_is_lost_or_moved(parts: list[tuple[str, list[str]]], language: str) -> None:
    text = " ".join(" ".join([word, *pieces]) for word, pieces in parts)
    known = {word for word, _ in parts}
    assert [w for w in re.findall(r"[^\W\d_]+", said(text, language)) if w in known] == [w for w, _ in parts]


@settings(deadline=None)
@given(st.lists(WORDS, max_size=20), LANGUAGES)
def test_plain_words_are_left_alone(words: list[str], language: str) -> None:
    assert said(" ".join(words), language) == " ".join(words)


@settings(deadline=None)
@given(MIXED, LANGUAGES)
def test_no_figure_is_left_to_the_engine(text: str, language: str) -> None:
    assert not re.search("[0-9]", said(text, language))


@settings(deadline=None)
@given(st.text(alphabet="0123456789", min_size=1, max_size=30), LANGUAGES)
def test_every_figure_of_a_code_is_said(figures: str, language: str) -> None:
    """One by one, in their order: what a caller is to confirm is never normalised away."""
    digits = Reader(language).read(" ".join(figures)).text.split()
    names = Reader(language).read("0 1 2 3 4 5 6 7 8 9").text.split()
    assert "".join(str(names.index(d)) for d in digits) == figures
    after_code = said(("code is " if language == EN else "el código es ") + "4" + figures + "7", language)
    if len(figures) > 2:
        spelt = [names.index(d) for d in after_code.replace(",", "").split()[-len(figures) - 2 :]]
        assert "".join(map(str, spelt)) == "4" + figures + "7"


@settings(deadline=None)
@given(
    st.dictionaries(WORDS, st.text(alphabet="aeiou", min_size=1, max_size=8)),
    st.lists(WORDS, max_size=9),
    LANGUAGES,
)
def test_the_lexicon_replaces_whole_words_and_nothing_else(
    lexicon: dict[str, str], others: list[str], language: str
) -> None:
    words = [*lexicon, *others]
    expected = " ".join(lexicon.get(w, w) for w in words)
    once = spoken_form(" ".join(words), language, lexicon)
    assert once == " ".join(expected.split())
    assert spoken_form(once, language, lexicon) == once


HOSTILE = ["1", "1-", "a.", "$", "1,", "1.", "a-", "*", "<b ", "[a](", " 1", "1/", "@", "a@", "1:", "Nov ",
           "_", '"', "12 34 ", "a1", "+1 ", "1–", "&amp;", "a.b@", "1 1", "x-1", "$1-"]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("language", sorted(GRAMMARS))
def test_long_hostile_texts_come_to_an_end(unit: str, language: str) -> None:
    text = unit * (1500 // len(unit))
    read = said(text, language)
    assert len(read) < 12 * len(text) + 100


@pytest.mark.parametrize("number", ["9 1 1", "9, 1, 1", "9-1-1"])
def test_the_last_figure_of_a_spanish_emergency_number_counts_nothing(number: str) -> None:
    """ "marque 9 1 1 ahora" was read "nueve uno una ahora": one, of something feminine."""
    read = Reader("es-US").read(f"cuelgue y marque {number} ahora").text
    assert "una" not in read.split()
    assert read.split()[-1] == "ahora"
    assert [w.strip(",") for w in read.split()[-4:-1]] == ["nueve", "uno", "uno"]
