"""Tickets and tickets: links, parents and children, merging, splitting. Each is an entry on both sides and can be taken back.

A merge moves nothing. The merged ticket is closed and names the one that goes on, which takes over its conversations, so that what the
customer writes next arrives there; undoing it gives the conversations back, with what was written in them meanwhile. A split moves
posts with their entries; a conversation that is now on two tickets goes on in the one it was on.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from domain.lifecycle import DONE
from domain.said import Said
from storage import audit, entries, outbox, runs, search
from storage.casework import Held, Person, Refused, lock_many, locked, owe, reclaim, started, touch
from storage.ledger import one, rows
from storage.outbox import Effect
from storage.runs import ids

LINKS = {"related": "is related to", "duplicates": "says the same as", "blocks": "must be settled before"}
MOST_CHILDREN = 10_000


def link(connection: Connection, user: Person, number: int, other: int, kind: str = "related", on: bool = True) -> bool:
    """Say how two tickets belong together, or take it back; False when it is so already."""
    if kind not in LINKS:
        raise Refused(f"Tickets are linked as {', '.join(LINKS)}.")
    if number == other:
        raise Refused("A ticket is not linked to itself.")
    held = lock_many(connection, [number, other])
    pair = [held[number].id, held[other].id]
    a, b = sorted(pair) if kind == "related" else pair
    statement = (
        "INSERT INTO ticket_links (a, b, kind) VALUES (:a, :b, :kind) ON CONFLICT DO NOTHING"
        if on
        else "DELETE FROM ticket_links WHERE a = :a AND b = :b AND kind = :kind"
    )
    if not connection.execute(text(statement), {"a": a, "b": b, "kind": kind}).rowcount:
        return False
    lead = "" if on else "no longer: "
    _both(
        connection, user, "link", held[number], held[other],
        f"{lead}{LINKS[kind]} #{other}", f"{lead}#{number} {LINKS[kind]} this", {"link": kind, "on": on},
    )  # fmt: skip
    return True


def adopt(connection: Connection, user: Person, parent: int, children: Sequence[int], on: bool = True) -> int:
    """Make tickets children of another, or free them; how many changed. A parent is no child and a child has no children."""
    if len(children) > MOST_CHILDREN:
        raise Refused(Said("At most %(n)s at a time.", n=MOST_CHILDREN))
    held = lock_many(connection, sorted({parent, *children}))
    above = held[parent]
    if on and above.parent_id:
        raise Refused(Said("#%(number)s is a child itself: a family has two generations.", number=str(parent)))
    if on and parent in children:
        raise Refused("A ticket is not its own parent.")
    changed = [held[n] for n in sorted(set(children)) if (held[n].parent_id == above.id) != on]
    moving = [child.id for child in changed]
    if on and one(connection, "SELECT 1 FROM tickets WHERE parent_id = ANY(:ids) LIMIT 1", ids=moving):
        raise Refused("One of them has children itself: a family has two generations.")
    for child in changed:
        connection.execute(
            text("UPDATE tickets SET parent_id = :parent WHERE id = :id"),
            {"parent": above.id if on else None, "id": child.id},
        )
        word = "child of" if on else "no longer a child of"
        _both(
            connection, user, "link", child, above, f"{word} #{parent}",
            f"#{child.number} is {'a child of this' if on else 'no longer a child of this'}",
            {"parent": above.id, "on": on},
        )  # fmt: skip
    return len(changed)


INCIDENT = "incident"  # the tag that makes an open ticket the parent of what comes in about its topic


def gather(connection: Connection, ticket_ids: Sequence[int]) -> int:
    """New tickets about the topic of an open incident become its children, each with an entry; how many."""
    found = rows(
        connection,
        """UPDATE tickets t SET parent_id = o.parent FROM (
            SELECT n.id, p.id AS parent, p.number FROM tickets n JOIN LATERAL (SELECT id, number FROM tickets
                WHERE tags @> ARRAY['incident'] AND topic = n.topic AND id <> n.id AND parent_id IS NULL AND merged_into IS NULL
                AND status NOT IN ('resolved', 'closed') ORDER BY id DESC LIMIT 1) p ON true
            WHERE n.id = ANY(:ids) AND n.topic <> '' AND n.parent_id IS NULL AND NOT n.tags @> ARRAY[CAST(:tag AS text)]
                AND NOT EXISTS (SELECT 1 FROM tickets c WHERE c.parent_id = n.id) ORDER BY n.id FOR UPDATE OF n) o
        WHERE t.id = o.id RETURNING t.id, o.parent, o.number, t.topic""",
        ids=sorted(set(ticket_ids)),
        tag=INCIDENT,
    )
    if found:
        run = runs.start(connection, "work")
        entries.write(connection, run, [
            {"ticket_id": row["id"], "kind": "link", "body": f"child of the incident #{row['number']}",
             "detail": {"parent": row["parent"], "on": True, "rule": {"name": "incident", "matched": {"topic": row["topic"]}}}}
            for row in found
        ])  # fmt: skip
        runs.finish(connection, run)
    return len(found)


def obstacle(connection: Connection, source: int, target: int) -> str:
    """Why `source` cannot go on in `target`; empty when it can."""
    if source == target:
        return Said("A ticket is not merged into itself.")
    found = {
        row["number"]: row
        for row in rows(
            connection,
            "SELECT number, status, customer_id, merged_into FROM tickets WHERE number = ANY(:numbers)",
            numbers=[source, target],
        )
    }
    for number in (source, target):
        if into := found[number]["merged_into"]:
            return Said(
                "#%(number)s was merged already; #%(into)s goes on.",
                number=str(number),
                into=str(_number(connection, into)),
            )
    if found[target]["status"] in DONE:
        return Said(
            "#%(number)s is %(status)s: reopen it first.", number=str(target), status=Said(found[target]["status"])
        )
    if found[source]["customer_id"] != found[target]["customer_id"]:
        return Said("They are two customers' tickets: merge the customers if they are one person, or link the tickets.")
    return ""


def merge(connection: Connection, user: Person, source: int, target: int) -> None:
    """Let `source` go on in `target`. Both are the same customer's: people are merged first, where they are one."""
    if source == target:
        raise Refused("A ticket is not merged into itself.")
    held = lock_many(connection, [source, target])
    old, kept = held[source], held[target]
    if why := obstacle(connection, source, target):
        raise Refused(why)
    added = _take_over(connection, old, kept)
    connection.execute(
        text(
            "UPDATE tickets SET merged_into = :target, status = 'closed', resolved_at = coalesce(resolved_at, now()), "
            "first_at = coalesce(first_at, now()), updated_at = now(), version = version + 1, sla_at = NULL, "
            "snoozed_until = NULL, hand_back_at = NULL WHERE id = :id"
        ),
        {"target": kept.id, "id": old.id},
    )
    touch(connection, kept.id, user)
    _both(
        connection, user, "merge", old, kept, f"goes on in #{target}", f"#{source} was merged into this",
        {"merged_into": kept.id, "status": [old.status, "closed"]}, {"merged": old.id, "conversations": added},
        status="closed",
    )  # fmt: skip


def _take_over(connection: Connection, old: Held, kept: Held) -> list[str]:
    """The conversations of one ticket to another; those that were new to it. What another open ticket holds stays there."""
    connection.execute(text("UPDATE ticket_conversations SET open = false WHERE ticket_id = :id"), {"id": old.id})
    taken = rows(
        connection,
        "INSERT INTO ticket_conversations (ticket_id, customer_id, conversation) "
        "SELECT :kept, customer_id, conversation FROM ticket_conversations WHERE ticket_id = :old AND NOT yields "
        "ORDER BY conversation ON CONFLICT DO NOTHING RETURNING conversation",
        kept=kept.id,
        old=old.id,
    )
    return sorted(row["conversation"] for row in taken)


def unmerge(connection: Connection, user: Person, source: int) -> int:
    """Take a merge back: the ticket is what it was, and has what its customer wrote in its conversations since.

    Returns how many posts came over. Notes written on the other ticket since stay there: they are about that work.
    """
    target = one(
        connection,
        "SELECT m.number FROM tickets t JOIN tickets m ON m.id = t.merged_into WHERE t.number = :n",
        n=source,
    )
    if target is None:
        raise Refused(Said("#%(number)s is not merged.", number=str(source)))
    held = lock_many(connection, [source, target])
    old, kept = held[source], held[target]
    said = _said(connection, old.id, "merged_into")
    if said is None:
        raise Refused(
            Said(
                "#%(number)s was split off and its posts were given back; there is no merge to undo.",
                number=str(source),
            )
        )
    taken = _said(connection, kept.id, "merged", str(old.id))
    run = started(connection, user)
    back = rows(
        connection,
        "SELECT l.mention_id FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = :kept "
        "AND m.platform || '|' || m.origin || '|' || m.context = ANY(:conversations)",
        kept=kept.id,
        conversations=taken["conversations"],
    )
    entries.move(connection, run, {row["mention_id"]: old.id for row in back})
    connection.execute(
        text("DELETE FROM ticket_conversations WHERE ticket_id = :kept AND conversation = ANY(:conversations)"),
        {"kept": kept.id, "conversations": taken["conversations"]},
    )
    before = said["status"][0]
    status = "open" if back and before in DONE else before
    connection.execute(
        text(
            "UPDATE tickets SET merged_into = NULL, status = :status, updated_at = now(), version = version + 1, sla_at = now(), "
            "resolved_at = CASE WHEN :done THEN resolved_at END WHERE id = :id"
        ),
        {"id": old.id, "status": status, "done": status in DONE},
    )
    if status not in DONE:
        reclaim(
            connection,
            "UPDATE ticket_conversations c SET open = NOT k.taken, yields = k.taken AND c.conversation NOT LIKE 'case:%' FROM ("
            "SELECT l.conversation, EXISTS (SELECT 1 FROM ticket_conversations o WHERE o.conversation = l.conversation AND o.open "
            "AND o.customer_id IS NOT DISTINCT FROM l.customer_id AND o.ticket_id <> l.ticket_id) AS taken "
            "FROM ticket_conversations l WHERE l.ticket_id = :id AND NOT l.yields) k "
            "WHERE c.ticket_id = :id AND c.conversation = k.conversation",
            old.id,
        )
    touch(connection, kept.id, user)
    runs.finish(connection, run)
    _both(
        connection, user, "merge", old, kept, f"is a ticket of its own again, no longer #{target}",
        f"#{source} is a ticket of its own again", {"unmerged": kept.id, "status": ["closed", status]}, {"unmerged": old.id},
        status=status,
    )  # fmt: skip
    return len(back)


def split(connection: Connection, user: Person, number: int, mentions: Sequence[int], subject: str = "") -> int:
    """Posts of a ticket become a ticket of their own, which is owed to the same desks. Returns its number."""
    old = locked(connection, number)
    if old.status in DONE:
        raise Refused(Said("#%(number)s is %(status)s: reopen it first.", number=str(number), status=Said(old.status)))
    held = [row["mention_id"] for row in rows(
        connection, "SELECT mention_id FROM ticket_mentions WHERE ticket_id = :id ORDER BY mention_id", id=old.id)]  # fmt: skip
    wanted = sorted(set(mentions))
    if not wanted or not set(wanted) <= set(held):
        raise Refused("Name posts of this ticket.")
    if len(wanted) == len(held):
        raise Refused("Leave at least one post: a ticket without any is no ticket.")
    run = started(connection, user)
    [new], [new_number] = ids(connection, "tickets", 1), ids(connection, "ticket_number", 1)
    connection.execute(
        text(
            "INSERT INTO tickets (id, number, customer_id, subject, priority, team, intent, topic, platform, label, targets, "
            "first_due, resolve_due, sla_at, run_id) OVERRIDING SYSTEM VALUE SELECT :new, :number, customer_id, "
            "coalesce(nullif(:subject, ''), subject), priority, team, intent, topic, platform, label, targets, first_due, "
            "resolve_due, now(), :run FROM tickets WHERE id = :old"
        ),
        {"new": new, "number": new_number, "subject": subject.strip()[:200], "run": run.id, "old": old.id},
    )
    run.wrote_ticket(new)
    if subject.strip():
        search.subject(connection, new)
    entries.move(connection, run, dict.fromkeys(wanted, new))
    gone = _part(connection, old.id, new)
    detail = {"posts": wanted, "conversations": gone}
    _owe_creation(connection, run, new)
    runs.finish(connection, run)
    touch(connection, old.id, user)
    made = locked(connection, new_number)
    _both(
        connection, user, "split", old, made, f"{len(wanted)} of its posts became #{new_number}",
        f"was part of #{number}", {"split_to": new, **detail}, {"split_from": old.id, **detail},
    )  # fmt: skip
    return new_number


def _part(connection: Connection, old: int, new: int) -> list[str]:
    """The new ticket's conversations; those that went over whole. One that is on both goes on in the old ticket."""
    conversations = "SELECT DISTINCT m.platform || '|' || m.origin || '|' || m.context FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id ="
    whole = rows(
        connection,
        f"DELETE FROM ticket_conversations WHERE ticket_id = :old AND conversation IN ({conversations} :new) "  # noqa: S608
        f"AND conversation NOT IN ({conversations} :old) RETURNING conversation, customer_id, open, yields",
        old=old,
        new=new,
    )
    connection.execute(
        text(
            "INSERT INTO ticket_conversations (ticket_id, customer_id, conversation, open, yields) "  # noqa: S608
            "SELECT :new, t.customer_id, c.conversation, c.conversation = ANY(:whole), NOT c.conversation = ANY(:whole) "
            f"FROM ({conversations} :new) AS c(conversation), tickets t WHERE t.id = :new ORDER BY 3"
        ),
        {"new": new, "whole": [row["conversation"] for row in whole if not row["yields"]]},
    )
    return sorted(row["conversation"] for row in whole)


def unsplit(connection: Connection, user: Person, number: int) -> int:
    """Give a split-off ticket's posts back; it is closed and names the one that goes on. Returns that one's number."""
    found = rows(
        connection,
        "SELECT o.number, e.detail FROM tickets t JOIN entries e ON e.ticket_id = t.id AND e.kind = 'split' "
        "AND e.detail ? 'split_from' JOIN tickets o ON o.id = CAST(e.detail ->> 'split_from' AS bigint) WHERE t.number = :n "
        "AND t.merged_into IS NULL ORDER BY e.id DESC LIMIT 1",
        n=number,
    )
    if not found:
        raise Refused(Said("#%(number)s was not split off.", number=str(number)))
    origin = found[0]["number"]
    held = lock_many(connection, [number, origin])
    new, old = held[number], held[origin]
    if old.status in DONE or old.merged_into:
        raise Refused(Said("#%(number)s is %(status)s: reopen it first.", number=str(origin), status=Said(old.status)))
    run = started(connection, user)
    posts = rows(connection, "SELECT mention_id FROM ticket_mentions WHERE ticket_id = :id", id=new.id)
    entries.move(connection, run, {row["mention_id"]: old.id for row in posts})
    connection.execute(text("UPDATE ticket_conversations SET open = false WHERE ticket_id = :id"), {"id": new.id})
    connection.execute(
        text(
            "INSERT INTO ticket_conversations (ticket_id, customer_id, conversation) SELECT :old, customer_id, conversation "
            "FROM ticket_conversations WHERE ticket_id = :new ORDER BY conversation ON CONFLICT DO NOTHING"
        ),
        {"old": old.id, "new": new.id},
    )
    connection.execute(text("DELETE FROM ticket_conversations WHERE ticket_id = :id"), {"id": new.id})
    connection.execute(
        text(
            "UPDATE tickets SET merged_into = :old, status = 'closed', resolved_at = coalesce(resolved_at, now()), "
            "first_at = coalesce(first_at, now()), updated_at = now(), version = version + 1, sla_at = NULL WHERE id = :id"
        ),
        {"old": old.id, "id": new.id},
    )
    touch(connection, old.id, user)
    runs.finish(connection, run)
    _both(
        connection, user, "split", new, old, f"its posts are on #{origin} again", f"has the posts of #{number} again",
        {"unsplit": old.id, "status": [new.status, "closed"]}, {"unsplit": new.id}, status="closed",
    )  # fmt: skip
    return int(origin)


def _both(
    connection: Connection, user: Person, kind: str, one_: Held, other: Held, body: str, answer: str,
    detail: dict[str, Any], mirrored: dict[str, Any] | None = None, status: str = "",
) -> None:  # fmt: skip
    """An entry on each of two tickets, owed to the desks of each; one line of the audit."""
    run = started(connection, user)
    mirrored = {**detail, "mirror": True} if mirrored is None else mirrored
    wanted = [(one_, body, detail), (other, answer, mirrored)]
    written = entries.write(connection, run, [
        {"ticket_id": held.id, "kind": kind, "user_id": user.id, "body": said, "detail": more} for held, said, more in wanted
    ])  # fmt: skip
    for (held, said, _), entry in zip(wanted, written, strict=True):
        if status and held is one_:
            owe(connection, run, held, entry, "ticket.status", {"number": held.number, "status": status, "text": said})
        else:
            notice = {"number": held.number, "text": f"{user.name}: {said}", "public": False}
            owe(connection, run, held, entry, "ticket.comment", notice)
    runs.finish(connection, run)
    audit.append(connection, user.actor, f"ticket.{kind}", f"ticket:{one_.number}", {"other": other.number})


def _owe_creation(connection: Connection, run: runs.Run, ticket_id: int) -> None:
    """A ticket that was made here is owed to its desks as any other."""
    ticket = rows(
        connection,
        "SELECT t.*, c.name AS customer FROM tickets t LEFT JOIN customers c ON c.id = t.customer_id WHERE t.id = :id",
        id=ticket_id,
    )[0]
    posts = rows(
        connection,
        "SELECT m.platform, m.url, coalesce(nullif(m.author_name, ''), m.author_handle, '') AS author, "
        "concat_ws(E'\n', nullif(m.name, ''), nullif(m.content, '')) AS text, m.published "
        "FROM ticket_mentions l JOIN mentions m ON m.id = l.mention_id WHERE l.ticket_id = :id ORDER BY m.published LIMIT 20",
        id=ticket_id,
    )
    mentions = [{**post, "published": post["published"].isoformat()} for post in posts]
    url = one(
        connection,
        "SELECT rtrim(document #>> '{settings,console_url}', '/') FROM configurations WHERE complaints IS NULL ORDER BY id DESC LIMIT 1",
    )
    body = {
        "number": ticket["number"], "subject": ticket["subject"], "text": mentions[0]["text"] if mentions else ticket["subject"],
        "priority": ticket["priority"], "team": ticket["team"], "mentions": mentions, "reasons": [],
        "customer": {"id": ticket["customer_id"], "name": ticket["customer"] or ""}, "url": f"{url or ''}/tickets/{ticket['number']}",
    }  # fmt: skip
    effects = [
        Effect(target, "ticket.create", f"em-{ticket['number']}-{target}-create", body, ticket_id)
        for target in ticket["targets"]
    ]
    if outbox.owe_many(connection, run, effects):
        connection.execute(text("SELECT pg_notify('earmark', 'deliver')"))


def _said(connection: Connection, ticket_id: int, key: str, value: str = "") -> Any:
    """The detail of the last entry of a ticket that has this key (with this value); None when none has."""
    found = one(
        connection,
        "SELECT detail FROM entries WHERE ticket_id = :id AND detail ? :key AND (:value = '' OR detail ->> :key = :value) "
        "ORDER BY at DESC, id DESC LIMIT 1",
        id=ticket_id,
        key=key,
        value=value,
    )
    return found


def _number(connection: Connection, ticket_id: int | None) -> int:
    return int(one(connection, "SELECT number FROM tickets WHERE id = :id", id=ticket_id) or 0)
