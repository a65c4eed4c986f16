"""Handing tickets to people: what a new ticket is, who is there with how much to do, and taking back what lies untouched."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from domain.routing import Agent, Route, choose, route
from storage import audit, entries, runs
from storage.ledger import one, rows
from storage.users import User

FACTS = ("topic", "intent", "platform", "language", "priority", "sentiment", "team", "tag", "tier")


def agents(connection: Connection) -> list[Agent]:
    """Everybody who takes tickets, with what they own now. Locked: two workers do not both see the last free place."""
    rows(connection, "SELECT 1 FROM agents ORDER BY user_id FOR UPDATE")
    found = rows(
        connection,
        """SELECT a.user_id AS id, u.name, a.teams, a.skills, a.languages, a.capacity, a.available, a.given_at,
            (SELECT count(*) FROM tickets t WHERE t.assignee_id = a.user_id AND t.status NOT IN ('resolved', 'closed')
                AND t.status NOT IN ('pending', 'hold', 'muted')) AS load
        FROM agents a JOIN users u ON u.id = a.user_id WHERE u.disabled_at IS NULL ORDER BY a.user_id""",
    )
    return [
        Agent(
            **{**row, "teams": frozenset(row["teams"]), "skills": frozenset(row["skills"]), "languages": frozenset(row["languages"])}
        )
        for row in found
    ]  # fmt: skip


def place(
    connection: Connection,
    wanted: Mapping[int, Mapping[str, Any]],
    routes: Sequence[Route],
    hand_back: timedelta,
    tried: Mapping[int, frozenset[int]] | None = None,
    worker: str = "",
) -> int:
    """Route these tickets (id → facts), each with an entry that says why; how many went somewhere."""
    if not routes or not wanted:
        return 0
    known = agents(connection)
    run = runs.start(connection, "work", worker)
    moved = 0
    for id_, facts in sorted(wanted.items()):
        rule = route(routes, {name: _values(facts.get(name)) for name in FACTS})
        if rule is None:
            continue
        team, priority = rule.team or facts["team"], rule.priority or facts["priority"]
        given = choose(rule, team, facts.get("language") or "", known, (tried or {}).get(id_, frozenset()))
        fits = {name: _values(facts.get(name)) for name in rule.when}
        detail: dict[str, Any] = {
            "event": "routed",
            "route": rule.name,
            "rule": {"name": rule.name, "version": rule.version, "matched": fits},
        }
        if team != facts["team"]:
            detail["team"] = [facts["team"], team]
        if priority != facts["priority"]:
            detail["priority"] = [facts["priority"], priority]
        if given.agent:
            detail["assignee_id"] = [facts.get("assignee_id"), given.agent.id]
        elif rule.method != "nobody":
            detail["nobody"] = True
        if len(detail) == 3:
            continue
        _give(connection, id_, team, priority, given.agent, hand_back)
        if given.agent:
            known = [_laden(one_, given.agent.id) for one_ in known]
        entries.write(
            connection,
            run,
            [{"ticket_id": id_, "kind": "system", "body": _sentence(detail, given.why), "detail": detail}],
        )
        moved += 1
    runs.finish(connection, run)
    return moved


def _sentence(detail: Mapping[str, Any], why: str) -> str:
    parts = [
        f"{name} {detail[name][0] or 'none'} → {detail[name][1]}" for name in ("team", "priority") if name in detail
    ]
    return "; ".join([*parts, why])


def _values(value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return (str(value),) if value not in (None, "") else ()


def _laden(agent: Agent, given: int) -> Agent:
    from dataclasses import replace
    from datetime import UTC, datetime

    if agent.id != given:
        return agent
    return replace(agent, load=agent.load + 1, given_at=datetime.now(UTC))


def _give(
    connection: Connection, id_: int, team: str, priority: str, agent: Agent | None, hand_back: timedelta
) -> None:
    connection.execute(
        text(
            "UPDATE tickets SET team = :team, priority = :priority, assignee_id = coalesce(:agent, assignee_id), "
            "hand_back_at = CASE WHEN CAST(:agent AS bigint) IS NULL THEN hand_back_at ELSE now() + :hand_back END, "
            "version = version + 1, updated_at = now() WHERE id = :id"
        ),
        {"team": team, "priority": priority, "agent": agent.id if agent else None, "hand_back": hand_back, "id": id_},
    )
    if agent:
        connection.execute(text("UPDATE agents SET given_at = clock_timestamp() WHERE user_id = :id"), {"id": agent.id})


def hand_back(connection: Connection, worker: str = "", limit: int = 200) -> list[int]:
    """Tickets whose owner did nothing with them in time become nobody's again, with an entry; their ids, to be routed anew."""
    found = rows(
        connection,
        "UPDATE tickets t SET assignee_id = NULL, hand_back_at = NULL, claimed_by = NULL, claimed_until = NULL, "
        "version = t.version + 1, updated_at = now() FROM (SELECT id, assignee_id, hand_back_at, claimed_by FROM tickets WHERE hand_back_at <= now() "
        "ORDER BY hand_back_at LIMIT :limit FOR UPDATE SKIP LOCKED) o LEFT JOIN users u ON u.id = o.assignee_id "
        "WHERE o.id = t.id RETURNING t.id, o.assignee_id, u.name, t.status, o.hand_back_at AS until, "
        "o.claimed_by IS NOT DISTINCT FROM o.assignee_id AS taken",
        limit=limit,
    )
    if not found:
        return []
    run = runs.start(connection, "upkeep", worker)
    entries.write(connection, run, [
        {"ticket_id": row["id"], "kind": "system", "body": f"{row['name'] or 'The owner'} did nothing with it in time; it is nobody's again.",
         "detail": {"event": "handed_back", "assignee_id": [row["assignee_id"], None], "tried": row["assignee_id"],
                    "rule": {"name": "casework.claim" if row["taken"] else "casework.hand_back", "matched": {"until": row["until"].isoformat()}}}}
        for row in found
    ])  # fmt: skip
    runs.finish(connection, run)
    return [row["id"] for row in found if row["status"] not in ("resolved", "closed")]


def tried(connection: Connection, ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """ticket id → who let it lie before."""
    found = rows(
        connection,
        "SELECT ticket_id, array_agg(CAST(detail ->> 'tried' AS bigint)) AS who FROM entries WHERE ticket_id = ANY(:ids) "
        "AND detail ? 'tried' AND detail ->> 'tried' IS NOT NULL GROUP BY 1",
        ids=list(ids),
    )
    return {row["ticket_id"]: frozenset(row["who"]) for row in found}


def set_agent(connection: Connection, user: User, actor: str, **values: Any) -> dict[str, Any]:
    """What somebody can do and how much they take: teams, skills, languages (lists), capacity, available. Others stay."""
    connection.execute(text("INSERT INTO agents (user_id) VALUES (:id) ON CONFLICT DO NOTHING"), {"id": user.id})
    for name, value in values.items():
        if value is None:
            continue
        if name not in ("teams", "skills", "languages", "capacity", "available"):
            raise ValueError(name)
        if isinstance(value, list | tuple):
            value = sorted(
                {" ".join(item.split()).lower() if name != "teams" else item.strip() for item in value if item.strip()}
            )
        if name == "capacity" and not 0 < value <= 1000:
            raise ValueError("a capacity is 1 to 1,000 tickets")
        statement = f"UPDATE agents SET {name} = :value WHERE user_id = :id"  # noqa: S608 a name of the list above
        connection.execute(text(statement), {"value": value, "id": user.id})
    audit.append(connection, actor, "agent.set", f"user:{user.id}", {})
    return show_agents(connection, user.id)[0]


def show_agents(connection: Connection, user_id: int | None = None) -> list[dict[str, Any]]:
    found = rows(
        connection,
        """SELECT a.user_id AS id, u.name, u.email, a.teams, a.skills, a.languages, a.capacity, a.available,
            (SELECT count(*) FROM tickets t WHERE t.assignee_id = a.user_id AND t.status NOT IN ('resolved', 'closed', 'pending',
                'hold', 'muted')) AS load
        FROM agents a JOIN users u ON u.id = a.user_id WHERE CAST(:id AS bigint) IS NULL OR a.user_id = :id ORDER BY u.name""",
        id=user_id,
    )
    return [dict(row) for row in found]


def open_load(connection: Connection, user_id: int) -> int:
    return int(
        one(
            connection, "SELECT count(*) FROM tickets WHERE assignee_id = :id AND status IN ('new', 'open')", id=user_id
        )
    )
