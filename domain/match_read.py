"""A record as linkage reads it: a name in its parts, canonical first names, handles and addresses without ornaments. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain import identity

_GROUPS = """
robert bob rob bobby bobbie robbie bert|william bill will billy willy liam wilhelm|elizabeth liz beth lizzy lizzie betty eliza elisabeth lisbeth elsa elise
margaret maggie peggy meg marge margarete margarethe gretel|richard rick dick rich ricky|michael mike mick mickey michel michal|james jim jimmy jamie
jennifer jen jenny jenn|christopher chris kit christoph kristof|daniel dan danny|matthew matt matty matthias|anthony tony anton antonio toni
steven steve stephen stefan stephan|andrew andy drew andreas andrzej|joshua josh|kenneth ken kenny|timothy tim timmy|edward ed ted eddie teddy eduard ned
jeffrey jeff geoffrey geoff|nicholas nick nicky nico niklas nikolaus klaus|jonathan jon johnny john jonny|benjamin ben benny benni|samuel sam sammy
samantha sam sammy|gregory greg gregor|alexander alex sasha sascha alec xander|alexandra alex sandra sasha lexi|patrick pat paddy|patricia pat trish patty patti tricia
katherine kate kathy katie kat catherine cathy katharina kathrin katrin cate|susan sue susie suzanne susanne|deborah debbie deb debra|rebecca becky becca rebekka
stephanie steph steffi stefanie|victoria vicky vicki tori viktoria|thomas tom tommy tomas|joseph joe joey josef jozef sepp jose|charles charlie chuck karl carl
david dave davey|zachary zach zack|kimberly kim|christine chris tina chrissy christina christa kristin kristina|pamela pam|ronald ron ronnie|donald don donnie
nathan nate nathaniel|henry hank harry heinrich heinz|raymond ray|lawrence larry laurence lorenz|maximilian max|mathilda tilda mathilde matilda
mohammed mo muhammad mohamed mohammad muhammed|ahmed ahmad|agnieszka aga|malgorzata gosia|dmitri dima dmitry|sebastian basti seb|johannes hannes johann hans jan
florian flo|tobias tobi|franziska franzi|friedrich fritz fred|frederick fred freddy frederik|barbara barb babs barbie|dorothy dot dottie dorothea doro
cynthia cindy|amanda mandy|melissa mel missy|jessica jess jessie|sarah sally sara|virginia ginny|douglas doug|philip phil philipp phillip|peter pete
gerald gerry jerry gerhard gerd|jacob jake jakob|lucas luke luca lukas lukasz|leonard leo len lenny leonhard|eugene gene|theodore theo ted teddy|vincent vince vinny
walter walt wally|albert al bert|alfred al fred|allison ali allie alison|abigail abby gail|angela angie|anna ann anne annie anja annika ana|emily em emmy|emma em
florence flo|gabriel gabe|gabriele gabi gabrielle|hannah hanna johanna|helen nell helene lena|isabella bella isabel izzy|jacqueline jackie|janet jan|judith judy
julia julie jule|louis lou louie ludwig luis|louise lou luise|madeleine maddie|maria marie mary mia|martin marty|natalie nat|olivia liv livia|oliver ollie olli
pauline paula|rachel rach|russell russ|stanley stan|terence terry|teresa terry tess theresa|ursula ulla uschi|ulrich uli|valerie val|veronica ronnie vera veronika
wolfgang wolf|zoe zoey|michelle shelly|cornelia conny nelly|manfred manni|siegfried siggi|rudolf rudi|josephine josie|caroline carrie carol carolyn karoline
frances fran fanny|francis frank frankie franz francisco paco|francesca fran|eleanor ellie nora ellen|harold harry hal|ian iain|ivan vanya|olga olya|svetlana sveta
paul pavel pawel pablo|george georg jorge jerzy|marcus mark marc markus marco|eric erik erich|bjorn bjoern|soren soeren|jurgen juergen
"""
NICKNAMES: dict[str, frozenset[int]] = {}
for _at, _line in enumerate(_GROUPS.replace("\n", "|").split("|")):
    for _name in _line.split():
        NICKNAMES[_name] = NICKNAMES.get(_name, frozenset()) | {_at}

_TITLES = frozenset("mr mrs ms miss dr prof herr frau sir madam jr sr ii iii dipl ing mag med phd".split())  # noqa: SIM905
_PARTICLES = frozenset(
    [
        "van",
        "von",
        "de",
        "der",
        "den",
        "del",
        "della",
        "di",
        "da",
        "la",
        "le",
        "du",
        "dos",
        "el",
        "al",
        "bin",
        "ibn",
        "o",
        "mac",
        "mc",
        "st",
        "ten",
        "ter",
        "zu",
        "zur",
    ]
)
_SPECIAL = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "ı": "i", "æ": "a", "œ": "o", "þ": "th", "ð": "d"})
_UMLAUT = re.compile(r"(?<=[b-df-hj-np-tv-z])(a|o|u)e|^(a|o|u)e")
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
_NOT_PLAIN = re.compile(r"[^a-z0-9]")
_VOWELS = re.compile(r"[aeiouyhw]")
_SOUNDS = str.maketrans("cqzvtdgjbpmn", "kksfttkkppnn")


@dataclass(frozen=True, slots=True)
class Trace:
    """One record. Empty: not known. `sound`: the family name by its consonants; `tag`: the handle without digits and marks."""

    id: str
    first: str = ""
    last: str = ""
    sound: str = ""
    platform: str = ""
    handle: str = ""
    tag: str = ""
    email: str = ""
    local: str = ""
    phone: str = ""
    place: str = ""
    order: str = ""
    middle: str = ""

    @property
    def initial(self) -> bool:
        return len(self.first) == 1


@lru_cache(200_000)
def fold(text: str) -> str:
    """Lower case without accents; ä and ae alike, so that Müller, Mueller and Muller are one."""
    low = text.casefold().translate(_SPECIAL)
    bare = "".join(c for c in unicodedata.normalize("NFKD", low) if not unicodedata.combining(c))
    return _UMLAUT.sub(lambda m: m.group(1) or m.group(2), bare)


def sound(name: str) -> str:
    """A family name's first letter and consonants, alike ones as one and none twice: what survives most slips and spellings."""
    if not name:
        return ""
    rest = _VOWELS.sub("", name[1:].translate(_SOUNDS).replace("x", "ks").replace("ph", "f"))
    short = [c for at, c in enumerate(rest) if not at or rest[at - 1] != c]
    return (name[0].translate(_SOUNDS) + "".join(short))[:5]


@lru_cache(200_000)
def parts(name: str) -> tuple[str, str, str]:
    """(first, last, middle initial) of a name as people and forms write it; one word alone is a first name."""
    before, comma, after = name.partition(",")
    turned = f"{after} {before}" if comma and after.strip() else name
    words = [
        word
        for word in _WORD.findall(fold(turned.replace("'", "").replace("’", "").replace("-", "")))
        if word not in _TITLES
    ]
    if not words:
        return "", "", ""
    if len(words) == 1:
        return words[0], "", ""
    at = len(words) - 1
    while at > 1 and words[at - 1] in _PARTICLES:
        at -= 1
    middle = words[1][0] if at > 1 and words[1] not in _PARTICLES else ""
    return words[0], "".join(words[at:]), middle


def read(row: Mapping[str, Any], region: str | None = None) -> Trace:
    """A line of `earmark match`. What cannot be put in a normal form is compared as it stands. Raises ValueError without an id."""
    if "id" not in row:
        raise ValueError("id missing")
    said = {
        name: str(row.get(name) or "").strip()[:500]
        for name in ("name", "platform", "handle", "email", "phone", "place", "order")
    }
    first, last, middle = parts(said["name"])
    mail = _or_empty("email", said["email"])
    name = _or_empty("handle", said["handle"])
    return Trace(
        id=str(row["id"]),
        first=first,
        last=last,
        sound=sound(last),
        platform=said["platform"].lower(),
        handle=name,
        tag=re.sub(r"[\W\d_]", "", fold(name)),
        email=mail,
        local=_NOT_PLAIN.sub("", fold(mail.partition("@")[0].partition("+")[0])),
        phone=_phone(said["phone"], region),
        place=_NOT_PLAIN.sub("", fold(said["place"])),
        order=_or_empty("order", said["order"]),
        middle=middle,
    )


def _or_empty(kind: str, raw: str) -> str:
    if not raw:
        return ""
    try:
        if kind == "email":
            mail = _mail(raw)
            return "" if identity.mark(identity.Identity("email", "", mail)) else mail
        return identity.handle(raw) if kind == "handle" else identity.number(raw)
    except identity.BadIdentity:
        return raw.casefold()


_PLAIN_MAIL = re.compile(r"[a-z0-9][a-z0-9._%+-]{0,62}@[a-z0-9-]+(\.[a-z0-9-]+)+", re.ASCII)


def _mail(raw: str) -> str:
    low = raw.casefold()  # what is plainly well-formed needs no parser; a million records would wait for it
    return low if _PLAIN_MAIL.fullmatch(low) and ".." not in low else identity.email(raw)


def _phone(raw: str, region: str | None) -> str:
    """The digits; E.164 where a region or a + says so, else compared by the last nine."""
    digits = re.sub(r"\D", "", raw)
    if len(digits) < 6 or len(set(digits[-7:])) == 1:
        return ""
    return digits[-9:] if len(digits) > 9 else digits
