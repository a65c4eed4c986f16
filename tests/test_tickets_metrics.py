"""Every metric view against plain Python over the same made-up histories, told before they are written to the ledger."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from domain.surveys import SCALES, score
from storage import bulk, metrics
from storage.ledger import Ledger, rows

NOW = datetime.now(UTC).replace(microsecond=0)
START = NOW - timedelta(days=120)
DONE = {"resolved", "closed"}
SPOKEN, OTHER = ("call", "chat", "email"), ("page_visit", "purchase", "email_opened")
PLATFORMS = ("x", "reddit", "review")
WEEK = timedelta(days=7)


@dataclass
class Case:
    """A ticket as it was lived."""

    id: int
    customer: int | None
    opened: datetime
    automatic: bool
    posts: list[tuple[datetime, str]] = field(default_factory=list)  # (published, platform)
    calls: list[int] = field(default_factory=list)  # ids of interactions that joined it
    moves: list[tuple[datetime, str, str]] = field(default_factory=list)
    replies: list[datetime] = field(default_factory=list)
    surveys: list[tuple[str, datetime, int | None]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.moves[-1][2] if self.moves else "new"


@dataclass
class World:
    cases: list[Case]
    interactions: list[tuple[int, int | None, str, str, datetime]]  # id, customer, kind, direction, at


def told(rng: random.Random, tickets: int = 900, customers: int = 260) -> World:
    """Histories of tickets and what customers did besides."""
    cases, interactions = [], []
    for n in range(1, tickets + 1):
        opened = START + timedelta(seconds=rng.randrange(118 * 86_400))
        case = Case(n, rng.choice((None, *range(1, customers + 1))), opened, rng.random() < 0.8)
        at = opened
        case.posts.append((opened - timedelta(minutes=rng.randrange(90)), rng.choice(PLATFORMS)))
        for _ in range(rng.randrange(7)):
            at += timedelta(seconds=rng.randrange(1, 4 * 86_400))
            if at >= NOW:
                break
            what = rng.choice(("post", "reply", "move", "move", "call"))
            if what == "post":
                case.posts.append((at, rng.choice(PLATFORMS)))
            elif what == "reply":
                case.replies.append(at)
            elif what == "call" and case.customer:
                interactions.append((len(interactions) + 1, case.customer, rng.choice(SPOKEN), "in", at))
                case.calls.append(len(interactions))
            elif what == "move":
                before = case.status
                after = rng.choice([s for s in ("open", "pending", "resolved", "closed", "muted") if s != before])
                case.moves.append((at, before, after))
        if case.status in DONE and rng.random() < 0.5:
            kind = rng.choice(tuple(SCALES))
            answered = rng.random() < 0.6
            case.surveys.append((kind, at, rng.randint(*SCALES[kind]) if answered else None))
        cases.append(case)
    for _ in range(600):
        at = START + timedelta(seconds=rng.randrange(119 * 86_400))
        who = rng.choice((None, *range(1, customers + 1)))
        interactions.append(
            (len(interactions) + 1, who, rng.choice(SPOKEN + OTHER), rng.choice(("in", "in", "out")), at)
        )
    return World(cases, interactions)


@pytest.fixture(scope="module")
def world() -> World:
    import os
    import secrets

    seed = int(os.environ.get("EARMARK_SEED") or secrets.randbits(32))
    print(f"EARMARK_SEED={seed}")
    return told(random.Random(seed))


@pytest.fixture(scope="module")
def ledger(database_url: str, world: World) -> Iterator[Ledger]:
    found = Ledger(database_url)
    found.run(lambda c: write(c, world))
    yield found
    found.close()


def write(connection: Any, world: World) -> None:
    connection.exec_driver_sql("INSERT INTO runs (id, kind) VALUES (1, 'digest'), (2, 'console')")
    bulk.copy(connection, "customers (id, name)", [(n, f"c{n}") for n in range(1, 261)])
    bulk.copy(
        connection, "tickets (id, number, customer_id, status, opened_at, run_id)",
        [(c.id, c.id, c.customer, c.status, c.opened, 1 if c.automatic else 2) for c in world.cases],
    )  # fmt: skip
    entries, mentions, links, surveys, token = [], [], [], [], 0
    for case in world.cases:
        for at, platform in case.posts:
            id_ = len(mentions) + 1
            mentions.append((id_, platform, str(id_), "Note", at, 1, 1))
            links.append((id_, case.id, 1))
            entries.append((case.id, "mention", id_, None, None, at, 1))
        entries += [(case.id, "reply", None, None, None, at, 1) for at in case.replies]
        entries += [(case.id, "status", None, bulk.dumps({"status": [a, b]}), None, at, 1) for at, a, b in case.moves]
        entries += [
            (case.id, "contact", None, bulk.dumps({"interaction": id_}), None, case.opened, 1) for id_ in case.calls
        ]
        for kind, at, answer in case.surveys:
            token += 1
            surveys.append(
                (kind, kind, case.id, f"\\x{token:064x}", at, NOW, at if answer is not None else None, answer)
            )
    bulk.copy(connection, "mentions (id, platform, native_id, kind, published, content_hash, page_id)", mentions)
    bulk.copy(connection, "ticket_mentions (mention_id, ticket_id, run_id)", links)
    bulk.copy(connection, "entries (ticket_id, kind, mention_id, detail, user_id, at, run_id)", entries)
    bulk.copy(
        connection, "surveys (survey, kind, ticket_id, token_hash, asked_at, expires_at, answered_at, score)", surveys
    )
    bulk.copy(
        connection, "interactions (id, source, external_id, kind, direction, customer_id, happened_at)",
        [(id_, "t", str(id_), kind, direction, who, at) for id_, who, kind, direction, at in world.interactions],
    )  # fmt: skip


def ask(ledger: Ledger, sql: str) -> list[dict[str, Any]]:
    with ledger.read() as connection:
        return [dict(row) for row in rows(connection, sql)]


def finished(case: Case) -> datetime | None:
    """When it was last done, if it ever was."""
    return max((at for at, a, b in case.moves if b in DONE and a not in DONE), default=None)


def answered(case: Case) -> datetime | None:
    return min([*case.replies, *(at for at, a, b in case.moves if b in DONE and a not in DONE)], default=None)


def contacts(world: World) -> dict[int | None, list[tuple[datetime, str, int | None]]]:
    """customer → (when, channel, ticket) in order."""
    joined = {id_: case.id for case in world.cases for id_ in case.calls}
    found: dict[int | None, list[tuple[datetime, str, int | None]]] = defaultdict(list)
    for case in world.cases:
        found[case.customer] += [(at, platform, case.id) for at, platform in case.posts]
    for id_, who, kind, direction, at in world.interactions:
        if direction == "in" and kind in SPOKEN:
            found[who].append((at, kind, joined.get(id_)))
    return {who: sorted(all_, key=lambda c: c[0]) for who, all_ in found.items()}


def journeys(world: World) -> list[dict[str, Any]]:
    cases = {case.id: case for case in world.cases}
    made = []
    for who, all_ in contacts(world).items():
        if who is None:
            continue
        runs: list[list[Any]] = []
        for contact in all_:
            if runs and contact[0] - runs[-1][-1][0] <= WEEK:
                runs[-1].append(contact)
            else:
                runs.append([contact])
        for run in runs:
            on = {ticket for _, _, ticket in run if ticket}
            done = [finished(cases[t]) if cases[t].status in DONE else None for t in on]
            made.append({
                "customer_id": who, "started": run[0][0], "ended": run[-1][0], "contacts": len(run), "channels": len({c for _, c, _ in run}),
                "switches": sum(a[1] != b[1] for a, b in pairwise(run)), "tickets": len(on),
                "resolved_at": max(done) if done and None not in done else None,  # type: ignore[type-var]
            })  # fmt: skip
    return sorted(made, key=lambda j: (j["customer_id"], j["started"]))


def test_times_of_tickets(ledger: Ledger, world: World) -> None:
    first = {r["ticket_id"]: float(r["seconds"]) for r in ask(ledger, "SELECT * FROM metric_first_response")}
    assert first == {c.id: (a - c.opened).total_seconds() for c in world.cases if (a := answered(c))}
    done = {r["ticket_id"]: float(r["seconds"]) for r in ask(ledger, "SELECT * FROM metric_resolution")}
    assert done == {
        c.id: (f - c.opened).total_seconds() for c in world.cases if c.status in DONE and (f := finished(c))
    }
    again = {r["ticket_id"]: r["reopened"] for r in ask(ledger, "SELECT * FROM metric_reopened")}
    assert again == {c.id: any(a in DONE and b not in DONE for _, a, b in c.moves) for c in world.cases if finished(c)}
    assert len(set(again.values())) == 2


def test_journeys_over_all_channels(ledger: Ledger, world: World) -> None:
    found = ask(
        ledger,
        "SELECT customer_id, started, ended, contacts, channels, switches, tickets, resolved_at FROM metric_journeys ORDER BY 1, 2",
    )
    assert found == journeys(world)


def test_who_comes_back_within_a_week(ledger: Ledger, world: World) -> None:
    by_customer = contacts(world)
    found = {r["ticket_id"]: r["repeated"] for r in ask(ledger, "SELECT * FROM metric_repeats")}
    assert found == {
        c.id: any(f < at <= f + WEEK for at, _, _ in by_customer[c.customer])
        for c in world.cases
        if c.status in DONE and c.customer and (f := finished(c))
    }


def test_preferred_channels(ledger: Ledger, world: World) -> None:
    found = {
        r["customer_id"]: (r["channel"], r["contacts"]) for r in ask(ledger, "SELECT * FROM metric_channel_preference")
    }
    expected = {}
    for who, all_ in contacts(world).items():
        if who is not None:
            count, last = Counter(c for _, c, _ in all_), {c: at for at, c, _ in all_}
            best = max(count, key=lambda c: (count[c], last[c]))
            expected[who] = (best, count[best])
    assert found == expected


def test_retention_by_month(ledger: Ledger, world: World) -> None:
    active: dict[tuple[int, int], set[int]] = defaultdict(set)
    for who, all_ in contacts(world).items():
        for at, _, _ in all_:
            active[at.year, at.month].add(who or 0)
    for _, who, kind, direction, at in world.interactions:
        if direction == "in" and kind not in SPOKEN:
            active[at.year, at.month].add(who or 0)
    expected = {}
    for (year, month), people in active.items():
        following = active.get((year + month // 12, month % 12 + 1), set())
        people, following = people - {0}, following - {0}
        expected[year, month] = (len(people), len(people & following))
    found = {
        (r["month"].year, r["month"].month): (r["active"], r["returned"])
        for r in ask(ledger, "SELECT * FROM metric_retention")
    }
    assert found == expected


def test_backlog_at_the_end_of_each_day(ledger: Ledger, world: World) -> None:
    found = {r["day"].date(): r["open"] for r in ask(ledger, "SELECT * FROM metric_backlog")}
    for day, count in found.items():
        end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
        open_ = 0
        for case in world.cases:
            status = "new"
            for at, _, after in case.moves:
                if at < end:
                    status = after
            open_ += case.opened < end and status not in DONE
        assert count == open_, day
    assert len(found) > 100


def test_arrivals_per_quarter_of_an_hour(ledger: Ledger, world: World) -> None:
    expected: Counter[tuple[datetime, str]] = Counter()
    for all_ in contacts(world).values():
        for at, channel, _ in all_:
            expected[at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0), channel] += 1
    found = {(r["slot"], r["channel"]): r["contacts"] for r in ask(ledger, "SELECT * FROM metric_arrivals")}
    assert found == expected


def test_automatic_tickets_and_their_judgement(ledger: Ledger, world: World) -> None:
    def judged(case: Case) -> str | None:
        if case.replies or any(after == "resolved" for _, _, after in case.moves):
            return "right"
        return "wrong" if case.status in ("muted", "closed") else None

    found = {r["ticket_id"]: r["judged"] for r in ask(ledger, "SELECT * FROM metric_automatic")}
    assert found == {c.id: judged(c) for c in world.cases if c.automatic}


@pytest.mark.parametrize("span", [(0, 121), (30, 60), (100, 101), (500, 600)])
def test_the_figures_of_a_span(ledger: Ledger, world: World, span: tuple[int, int]) -> None:
    since, until = START + timedelta(days=span[0]), START + timedelta(days=span[1])
    with ledger.read() as connection:
        found = {f["name"]: f for f in metrics.figures(connection, since, until)}
    within = lambda at: since <= at < until  # noqa: E731
    opened = [c for c in world.cases if within(c.opened)]
    first = [(a - c.opened).total_seconds() for c in opened if (a := answered(c))]
    walks = [j for j in journeys(world) if within(j["started"])]
    solved = [j for j in walks if j["resolved_at"]]
    asked = {
        k: [a for c in world.cases for kind, at, a in c.surveys if kind == k and a is not None and within(at)]
        for k in SCALES
    }
    expected: dict[str, tuple[float | None, int]] = {
        "first_response": (median(first) if first else None, len(first)),
        "touch_to_resolution": (
            median((j["resolved_at"] - j["started"]).total_seconds() for j in solved) if solved else None,
            len(solved),
        ),
        "first_contact_resolution": (
            100 * sum(j["contacts"] == 1 for j in solved) / len(solved) if solved else None,
            len(solved),
        ),
        "journey_completion": (100 * len(solved) / n if (n := sum(j["tickets"] > 0 for j in walks)) else None, n),
        "channel_switches": (
            sum(s) / len(s) if (s := [j["switches"] for j in walks if j["contacts"] > 1]) else None,
            len(s),
        ),
        **{kind: (score(kind, answers), len(answers)) for kind, answers in asked.items()},
    }
    for name, (value, facts) in expected.items():
        assert found[name]["facts"] == facts, name
        assert found[name]["value"] == (None if value is None else pytest.approx(value)), name
    assert all(f["formula"] and f["label"] for f in found.values())
