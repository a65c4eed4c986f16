"""A made-up population and the traces its people leave: for measuring record linkage, written without a look at any matcher.

`python -m benchmarks.population --records 100000 --seed 1` prints JSON lines as `earmark match` reads them, with the truth in
`person` (left out by --blind). People live in households in towns of very unequal size; names follow a long tail; a family may share
a mailbox and a landline; people change addresses and numbers, take nicknames, marry into another name, mistype; handles are
variations of a name or pure fancy, change, and are taken over by strangers. Addresses and handles are unique while they are in use, as
providers see to. Namesakes in one town arise by themselves where towns are large and names common, and are planted besides. With
first names agreeing for 1 pair in 250 and German surnames for 1 in 1,400, each of 2,000 customers of one town has 0.006 namesakes
among them, most have fewer; so 3 people in 1,000 are planted, and 2 are named after a parent at home. Nobody has a date of
birth. Two runs of one seed print the same.
"""

# ruff: noqa: E741, SIM905 (f and l are names; lists of words read better as text)

import argparse
import json
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FIRST = """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan Joseph Jessica Thomas
Sarah Christopher Karen Charles Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret Donald Ashley Steven Kimberly Andrew Emily
Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa Timothy Deborah Ronald Stephanie Jason Rebecca George Sharon
Edward Laura Jeffrey Cynthia Ryan Dorothy Jacob Amy Nicholas Kathleen Gary Angela Eric Shirley Jonathan Emma Stephen Brenda Larry
Pamela Justin Nicole Scott Anna Brandon Samantha Benjamin Katherine Samuel Christine Gregory Helen Alexander Debra Patrick Rachel
Frank Carolyn Raymond Janet Jack Maria Dennis Catherine Jerry Heather Tyler Diane Aaron Olivia Jose Julie Adam Joyce Nathan Victoria
Henry Ruth Zachary Virginia Douglas Lauren Peter Kelly Kyle Christina Noah Joan Ethan Evelyn Jeremy Judith Mohammed Fatima Ahmed
Aisha Ali Zeynep Mehmet Elif Yusuf Leila Chen Mei Hiroshi Yuki Priya Raj Anita Sanjay Luis Carmen Miguel Sofia Pedro Ana Giulia Marco
Ingrid Lars Astrid Björn Søren Zoë Chloé René Jürgen Günther Käthe Łukasz Agnieszka Paweł Małgorzata Svetlana Dmitri Olga Ivan
Hannah Leon Mia Finn Lena Jonas Lea Elias Marie Paula Felix Clara Moritz Ida Anton Greta Emil Frieda Oskar Mathilda""".split()

NICK = {
    "Robert": ["Bob", "Rob", "Bobby"], "William": ["Bill", "Will", "Billy"], "Elizabeth": ["Liz", "Beth", "Lizzy", "Betty"],
    "Margaret": ["Maggie", "Peggy", "Meg"], "Richard": ["Rick", "Dick", "Rich"], "Michael": ["Mike", "Mick"], "James": ["Jim", "Jimmy"],
    "Jennifer": ["Jen", "Jenny"], "Christopher": ["Chris"], "Daniel": ["Dan", "Danny"], "Matthew": ["Matt"], "Anthony": ["Tony"],
    "Steven": ["Steve"], "Stephen": ["Steve"], "Andrew": ["Andy", "Drew"], "Joshua": ["Josh"], "Kenneth": ["Ken"], "Timothy": ["Tim"],
    "Edward": ["Ed", "Ted", "Eddie"], "Jeffrey": ["Jeff"], "Nicholas": ["Nick"], "Jonathan": ["Jon"], "Benjamin": ["Ben"],
    "Samuel": ["Sam"], "Samantha": ["Sam"], "Gregory": ["Greg"], "Alexander": ["Alex", "Sasha"], "Patrick": ["Pat"], "Patricia": ["Pat", "Trish"],
    "Katherine": ["Kate", "Kathy", "Katie"], "Catherine": ["Cathy", "Kate"], "Susan": ["Sue"], "Deborah": ["Debbie"], "Rebecca": ["Becky"],
    "Stephanie": ["Steph"], "Victoria": ["Vicky"], "Thomas": ["Tom", "Tommy"], "Joseph": ["Joe"], "Charles": ["Charlie", "Chuck"],
    "David": ["Dave"], "Zachary": ["Zach"], "Kimberly": ["Kim"], "Christine": ["Chris", "Tina"], "Christina": ["Tina"], "Pamela": ["Pam"],
    "Ronald": ["Ron"], "Donald": ["Don"], "Nathan": ["Nate"], "Henry": ["Hank", "Harry"], "Raymond": ["Ray"], "Lawrence": ["Larry"],
    "Agnieszka": ["Aga"], "Małgorzata": ["Gosia"], "Dmitri": ["Dima"], "Mohammed": ["Mo"], "Maximilian": ["Max"], "Mathilda": ["Tilda"],
}  # fmt: skip

LAST = """Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson Anderson Thomas Taylor
Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres
Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts Müller Schmidt Schneider Fischer Weber Meyer
Wagner Becker Schulz Hoffmann Koch Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Krüger Hofmann Lange Kowalski Nowak Ivanov
Petrov Rossi Russo Ferrari Dubois Lefèvre Moreau O'Brien O'Connor MacDonald Van-Dijk De-Vries Jensen Hansen Larsen Öztürk Yılmaz Kaya
Singh Patel Khan Hussain Wang Li Zhang Kim Park Tanaka Sato""".split()

ONSET = "B Br C Ch D Dr F Fl G Gr H J K Kr L M N P Pr R S Sch St T Tr V W Z".split()
NUCLEUS = "a e i o u au ei ie oo ea".split()
CODA = "l n r s t ck nd rt ss m ll ng".split()
ENDING = "er mann ski sen son berg stein field ton ley ov ini ez ham wood ford".split()
FANCY = "night sky fox blue raven pixel coffee moon tiger ghost river storm happy lost iron tea cat dog sun star retro void jazz ninja".split()
NAMESAKE = 0.003  # people who are given a stranger's whole name in the same town
PLATFORMS = ("x", "mastodon", "reddit", "instagram", "bluesky")
HOSTS = [
    ("gmail.com", 40),
    ("yahoo.com", 12),
    ("outlook.com", 14),
    ("gmx.net", 10),
    ("web.de", 8),
    ("icloud.com", 9),
    ("proton.me", 4),
]


@dataclass
class Person:
    """Somebody, with what they go by over the years."""

    id: int
    first: str
    last: str
    town: str
    emails: list[str] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    handles: dict[str, list[str]] = field(default_factory=dict)
    orders: list[str] = field(default_factory=list)
    born: str = ""  # the family name before a marriage
    middle: str = ""  # initial of a second name


def syllables(rng: random.Random, n: int) -> str:
    return "".join(
        rng.choice(ONSET).lower() + rng.choice(NUCLEUS) + (rng.choice(CODA) if rng.random() < 0.5 else "")
        for _ in range(n)
    )


def pools(rng: random.Random) -> tuple[list[str], list[float], list[str], list[float], list[str], list[float]]:
    """First names, surnames and towns with their weights: Zipf's heads and long tails."""
    firsts = FIRST + sorted({syllables(rng, 2).title() for _ in range(400)})
    lasts = LAST + sorted({(syllables(rng, rng.choice([1, 2])) + rng.choice(ENDING)).title() for _ in range(9_000)})
    towns = sorted(
        {syllables(rng, 2).title() + rng.choice(["", "ville", "burg", "ton", "stadt", " on Sea"]) for _ in range(900)}
    )
    rng.shuffle(towns)
    return (
        firsts, [1 / (n + 12) for n in range(len(firsts))],
        lasts, [1 / (n + 25) ** 0.9 for n in range(len(lasts))],
        towns, [1 / (n + 4) for n in range(len(towns))],
    )  # fmt: skip


def plain(name: str) -> str:
    return (
        name.lower().translate(str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "ł": "l", "é": "e", "è": "e", "ë": "e", "ı": "i"}))
        .replace("'", "").replace("-", "").replace(" ", "").replace("ą", "a").replace("ż", "z")
    )  # fmt: skip


def mailbox(rng: random.Random, first: str, last: str) -> str:
    f, l, n = plain(first), plain(last), str(rng.randint(1, 99)).zfill(rng.choice([1, 2]))
    year = str(rng.randint(1955, 2006))
    shape = rng.random()
    local = (
        f"{f}.{l}" if shape < 0.28 else f"{f}{l}{n}" if shape < 0.43 else f"{f[0]}.{l}" if shape < 0.53 else f"{f}_{l}{year[2:]}" if shape < 0.65
        else f"{f}{year}" if shape < 0.75 else f"{l}.{f}" if shape < 0.83 else f"{rng.choice(FANCY)}{rng.choice(FANCY)}{rng.randint(1, 999)}"
    )  # fmt: skip
    return f"{local}@{rng.choices([h for h, _ in HOSTS], [w for _, w in HOSTS])[0]}"


def username(rng: random.Random, first: str, last: str) -> str:
    f, l = plain(first), plain(last)
    shape = rng.random()
    if shape < 0.18:
        return f + l
    if shape < 0.30:
        return f"{f}_{l}"
    if shape < 0.42:
        return f"{f}{rng.randint(1, 2010)}"
    if shape < 0.52:
        return f"{f[0]}{l}{rng.choice(['', str(rng.randint(1, 99))])}"
    if shape < 0.60:
        return f"the_{rng.choice(['real', 'one'])}_{f}"
    return f"{rng.choice(FANCY)}{rng.choice(['', '_', ''])}{rng.choice(FANCY)}{rng.choice(['', str(rng.randint(1, 9999)), '_' + f])}"


def mobile(rng: random.Random) -> str:
    return "+49151" + "".join(rng.choices(string.digits, k=8))


def households(rng: random.Random, wanted: int, namesake: float = NAMESAKE) -> Iterator[list[Person]]:
    """Families of one to five under one roof, until there are `wanted` people; `namesake`: the share of people planted as a stranger's."""
    firsts, fw, lasts, lw, towns, tw = pools(rng)
    made = 0
    taken: set[tuple[str, str]] = set()
    namesakes: list[tuple[str, str, str]] = []
    while made < wanted:
        last, town = rng.choices(lasts, lw)[0], rng.choices(towns, tw)[0]
        size = rng.choices([1, 2, 3, 4, 5], [38, 32, 14, 12, 4])[0]
        family = []
        for _ in range(size):
            own = last if rng.random() < 0.85 else rng.choices(lasts, lw)[0]
            person = Person(made, rng.choices(firsts, fw)[0], own, town)
            if namesakes and rng.random() < namesake:  # a stranger of the same name in the same town
                person.first, person.last, person.town = rng.choice(namesakes)
            elif family and rng.random() < 0.0035:  # a son named after the father
                person.first, person.last = family[0].first, family[0].last
            if rng.random() < 0.03:
                person.born, person.last = person.last, rng.choices(lasts, lw)[0]
            family.append(person)
            person.middle = rng.choice(string.ascii_uppercase) if rng.random() < 0.4 else ""
            made += 1
        _equip(rng, family, taken)
        if rng.random() < 0.2:
            someone = rng.choice(family)
            namesakes = [*namesakes[-200:], (someone.first, someone.last, someone.town)]
        yield family


def _free(rng: random.Random, platform: str, wanted: str, taken: set[tuple[str, str]]) -> str:
    """A platform gives a name to one account only; the next one adds a figure."""
    while (platform, wanted) in taken:
        wanted += str(rng.randint(0, 9))
    taken.add((platform, wanted))
    return wanted


def _free_mail(rng: random.Random, wanted: str, taken: set[tuple[str, str]]) -> str:
    local, _, host = wanted.partition("@")
    return f"{_free(rng, host, local, taken)}@{host}"


def _equip(rng: random.Random, family: list[Person], taken: set[tuple[str, str]]) -> None:
    shared_mail = ""
    if len(family) > 1 and rng.random() < 0.15:
        wanted = f"{rng.choice(['familie', 'the', 'fam'])}.{plain(family[0].last)}{rng.randint(1, 99)}@gmail.com"
        shared_mail = _free_mail(rng, wanted, taken)  # one mailbox is one family's, as any address is
    landline = "+4930" + "".join(rng.choices(string.digits, k=7)) if rng.random() < 0.35 else ""
    for person in family:
        person.emails = [
            _free_mail(rng, mailbox(rng, person.first, person.born or person.last), taken)
            for _ in range(rng.choices([1, 2, 3], [62, 30, 8])[0])
        ]
        if shared_mail and rng.random() < 0.7:
            person.emails[0] = shared_mail
        person.phones = [mobile(rng) for _ in range(rng.choices([1, 2], [75, 25])[0])]
        if landline and rng.random() < 0.5:
            person.phones.insert(rng.randint(0, 1), landline)
        base = username(rng, person.first, person.last)
        for platform in PLATFORMS:
            if rng.random() < 0.35:
                own = base if rng.random() < 0.6 else username(rng, person.first, person.last)
                person.handles[platform] = [_free(rng, platform, own, taken)]
                if rng.random() < 0.08:
                    later = username(rng, person.first, person.last)
                    person.handles[platform].append(_free(rng, platform, later, taken))
        person.orders = [
            f"{rng.choice('ABC')}-{rng.randint(100_000, 9_999_999)}"
            for _ in range(rng.choices([0, 1, 2, 4], [30, 35, 25, 10])[0])
        ]


def slip(rng: random.Random, text: str) -> str:
    """One mistake of a hurried finger: a letter doubled, lost, swapped with its neighbour, or another one."""
    if len(text) < 3:
        return text
    at = rng.randrange(1, len(text) - 1)
    how = rng.random()
    if how < 0.25:
        return text[:at] + text[at] + text[at:]
    if how < 0.5:
        return text[:at] + text[at + 1 :]
    if how < 0.75:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + rng.choice(string.ascii_lowercase) + text[at + 1 :]


def called(rng: random.Random, person: Person) -> str:
    """How a person or a clerk writes the name this time."""
    first = rng.choice(NICK[person.first]) if person.first in NICK and rng.random() < 0.25 else person.first
    last = person.born if person.born and rng.random() < 0.4 else person.last
    if rng.random() < 0.06:
        first = slip(rng, first)
    if rng.random() < 0.06:
        last = slip(rng, last)
    how = rng.random()
    if how < 0.80:
        return f"{first} {last}"
    if how < 0.85:
        return f"{last}, {first}"
    if how < 0.90:
        return f"{first[0]}. {last}"
    if how < 0.94 and person.middle:
        return f"{first} {person.middle}. {last}"
    return plain(f"{first}") + " " + plain(last)


def records(rng: random.Random, family: list[Person], strangers: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """What the systems of a company and the public know of each member."""
    for person in family:
        for _ in range(rng.choices([1, 2, 3, 4, 5], [18, 36, 28, 12, 6])[0]):
            kind = rng.choices(["crm", "shop", "mail", "call", "social", "chat"], [22, 20, 16, 12, 24, 6])[0]
            row: dict[str, Any] = {"person": person.id}
            mail = rng.choices(person.emails, [4, 2, 1][: len(person.emails)])[0]
            tel = rng.choice(person.phones)
            if kind == "social" and person.handles:
                platform = rng.choice(sorted(person.handles))
                own = rng.choice(person.handles[platform])
                if strangers and rng.random() < 0.01:
                    platform, own = rng.choice(strangers)  # a name its last owner gave up
                elif rng.random() < 0.02:
                    strangers.append((platform, own))
                row |= {"platform": platform, "handle": own}
                if rng.random() < 0.75:
                    row["name"] = called(rng, person) if rng.random() < 0.8 else person.first
                if rng.random() < 0.3:
                    row["place"] = person.town
                if rng.random() < 0.05 and person.orders:
                    row["order"] = rng.choice(person.orders)
                if rng.random() < 0.04:
                    row["email"] = mail
            else:
                row["name"] = called(rng, person)
                if kind in ("crm", "shop", "mail", "social") or rng.random() < 0.25:
                    row["email"] = slip(rng, mail) if rng.random() < 0.02 else mail
                if kind in ("crm", "call") or rng.random() < 0.3:
                    row["phone"] = _spelt(rng, tel)
                if kind in ("crm", "shop") or rng.random() < 0.3:
                    row["place"] = slip(rng, person.town) if rng.random() < 0.03 else person.town
                if person.orders and rng.random() < (0.8 if kind == "shop" else 0.3):
                    row["order"] = rng.choice(person.orders)
                if kind == "chat" and person.handles and rng.random() < 0.3:
                    row["platform"] = rng.choice(sorted(person.handles))
                    row["handle"] = person.handles[row["platform"]][0]
            yield row


def _spelt(rng: random.Random, number: str) -> str:
    """A number as people write it; now and then with a wrong digit."""
    if rng.random() < 0.02:
        at = rng.randrange(5, len(number))
        number = number[:at] + rng.choice(string.digits) + number[at + 1 :]
    how = rng.random()
    if how < 0.5:
        return number
    return f"{number[:3]} {number[3:6]} {number[6:]}" if how < 0.8 else f"0049-{number[3:6]}-{number[6:]}"


def population(count: int, seed: int, namesake: float = NAMESAKE) -> list[dict[str, Any]]:
    """`count` records in random order, each with its truth in `person`."""
    rng = random.Random(seed)
    strangers: list[tuple[str, str]] = []
    found: list[dict[str, Any]] = []
    for family in households(rng, count, namesake):
        found.extend(records(rng, family, strangers))
        if len(found) >= count:
            break
    found = found[:count]
    rng.shuffle(found)
    return [{"id": f"r{n}", **row} for n, row in enumerate(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="without the truth")
    asked = parser.parse_args()
    for row in population(asked.records, asked.seed):
        if asked.blind:
            del row["person"]
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
