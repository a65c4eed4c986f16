"""What is known of authors before their posts are judged. Asked only where a rule wants to know: one statement for a batch."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from domain.nouns import Standing, Stored
from storage import bulk

_ASKED = """SELECT i.platform, i.origin, i.native_id, c.vip, c.tier,
    (SELECT count(*) FROM tickets t WHERE t.customer_id = c.id AND t.status NOT IN ('resolved', 'closed')) AS open,
    (SELECT count(*) FROM tickets t WHERE t.customer_id = c.id AND t.opened_at > now() - interval '30 days') AS tickets
FROM json_to_recordset(CAST(:rows AS json)) AS r(platform text, origin text, native_id text)
JOIN identities i ON i.kind = 'account' AND i.platform = r.platform AND i.origin = r.origin AND i.native_id = r.native_id
JOIN customer_identities ci ON ci.identity_id = i.id JOIN customers c ON c.id = ci.customer_id"""


def known(connection: Connection, loaded: Mapping[int, Stored]) -> dict[int, Stored]:
    """The same mentions, each with its author's standing; who is no customer's account is unknown."""
    keys = {}
    for id_, stored in loaded.items():
        author = stored.mention.attributed_to
        if author is not None:
            keys[id_] = (stored.mention.platform, stored.mention.origin, author.native_id)
    wanted = [dict(zip(("platform", "origin", "native_id"), key, strict=True)) for key in sorted(set(keys.values()))]
    found = {}
    if wanted:
        for row in bulk.execute(connection, _ASKED, wanted):
            found[row.platform, row.origin, row.native_id] = Standing(True, row.vip, row.tier, row.open, row.tickets)
    return {
        id_: replace(stored, standing=found.get(keys.get(id_, ("", "", "")), Standing()))
        for id_, stored in loaded.items()
    }
