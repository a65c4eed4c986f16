"""Who a customer is in the ledger: every identity and every post that is theirs, and the hashes that remember them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from storage import suppress
from storage.ledger import rows


@dataclass(frozen=True, slots=True)
class Person:
    """A customer, the accounts and addresses, the posts. `accounts`: (platform, origin, native id, handle) seen anywhere."""

    customers: list[int]
    identities: list[int]
    mentions: list[int]
    contacts: list[tuple[str, str]]  # email, phone, number → value
    accounts: list[tuple[str, str, str, str]]
    posts: list[tuple[str, str, str]]
    called: list[str]  # display names

    def hashes(self, secret: bytes) -> dict[bytes, str]:
        """What ingest and import check from now on: hash → kind."""
        found: dict[bytes, str] = {}
        for kind, value in self.contacts:
            found[suppress.key(secret, kind, "", "", value)] = kind
        for platform, origin, native_id, handle in self.accounts:
            if native_id and not native_id.startswith("@"):
                found[suppress.key(secret, "author", platform, origin, native_id)] = "author"
            for place in {origin, ""} if handle else set():
                found[suppress.key(secret, "handle", platform, place, handle)] = "handle"
        for platform, origin, native_id in self.posts:
            found[suppress.key(secret, "post", platform, origin, native_id)] = "post"
        return found

    def names(self) -> list[str]:
        """How notices and samples may call them: ids, handles, display names, addresses, compared whole."""
        return [
            *self.called,
            *(name for account in self.accounts for name in account[2:]),
            *(value for _, value in self.contacts),
        ]

    def patterns(self) -> dict[str, Any]:
        """Regular expressions for raw items: addresses anywhere, ids and handles on their own platform, as whole words."""
        own = {(platform, name) for platform, _, *names in self.accounts for name in names if name}
        return {
            "anywhere": [_word(value) for kind, value in self.contacts if kind in ("email", "phone")],
            "platforms": [platform for platform, _ in sorted(own)],
            "patterns": [_word(name.removeprefix("@")) for _, name in sorted(own)],
        }


def _word(value: str) -> str:
    """The value as a whole word, as it stands or as JSON writes it (https://www.postgresql.org/docs/current/functions-matching.html)."""
    spellings = {value, json.dumps(value)[1:-1]}
    return "(^|[^[:alnum:]_])(" + "|".join(sorted(map(_escape, spellings))) + ")($|[^[:alnum:]_])"


def _escape(value: str) -> str:
    return re.sub(r"([^\w\s])", r"\\\1", value)


def find(connection: Connection, customer_id: int) -> Person | None:
    """Collect a person, the customer's row locked; None when there is no such customer.

    A declared handle ("@name") also stands for the account behind it, even where policy kept the two apart: erasing needs no
    permission to link. Who was merged away is found with the one they became part of.
    """
    root = rows(connection, _ROOT, id=customer_id)
    customer_id = root[0]["id"] if root else customer_id
    return _collect(connection, customer_id) if _customer(connection, customer_id) else None


def find_account(connection: Connection, platform: str, named: str) -> Person | None:
    """The person behind an account, by native id or handle, or an address (no platform); None when nothing of theirs is here.

    Who never opened a ticket has no customer, and can be forgotten all the same.
    """
    wanted = named.removeprefix("@").lower()
    identities = [row["id"] for row in rows(connection, _NAMED, platform=platform, named=named, wanted=wanted)]
    customers = rows(
        connection,
        "SELECT DISTINCT customer_id AS id FROM customer_identities WHERE identity_id = ANY(:ids)",
        ids=identities,
    )
    if len(customers) > 1:
        raise Ambiguous([row["id"] for row in customers])
    if customers and _customer(connection, customers[0]["id"]):
        return _collect(connection, customers[0]["id"])
    return _collect(connection, None, identities) if identities else None


class Ambiguous(LookupError):
    """More than one customer goes by this name."""

    def __init__(self, customers: list[int]) -> None:
        super().__init__(f"several customers go by it: {', '.join(map(str, customers))}; erase by id")


def _customer(connection: Connection, customer_id: int) -> bool:
    return bool(rows(connection, "SELECT 1 FROM customers WHERE id = :id FOR UPDATE", id=customer_id))


def _collect(connection: Connection, customer_id: int | None, seeds: Sequence[int] = ()) -> Person:
    customer = rows(connection, _MERGED, id=customer_id)
    identities = rows(connection, _IDENTITIES, id=customer_id, seeds=list(seeds))
    ids = [row["id"] for row in identities]
    alone = rows(
        connection,
        "SELECT customer_id AS id FROM customer_identities GROUP BY 1 HAVING bool_and(identity_id = ANY(:ids)) "
        "AND customer_id IN (SELECT customer_id FROM customer_identities WHERE identity_id = ANY(:ids))",
        ids=ids,
    )
    mentions = rows(connection, _MENTIONS, ids=ids)
    accounts = {
        _account(row["platform"], row["origin"], row["native_id"], row["handle"])
        for row in identities
        if row["kind"] == "account"
    }
    accounts |= {
        _account(row["platform"], row["origin"], row["author_id"] or "", row["author_handle"] or "")
        for row in mentions
        if row["author_id"] or row["author_handle"]
    }
    return Person(
        customers=sorted({*(row["id"] for row in customer), *(row["id"] for row in alone)}),
        identities=ids,
        mentions=[row["id"] for row in mentions],
        contacts=[(row["kind"], row["native_id"]) for row in identities if row["kind"] != "account"],
        accounts=sorted(accounts),
        posts=[(row["platform"], row["origin"], row["native_id"]) for row in mentions],
        called=sorted(
            {row["name"] for row in (*customer, *identities) if row["name"]}
            | {r["author_name"] for r in mentions if r["author_name"]}
        ),
    )


def _account(platform: str, origin: str, native_id: str, handle: str) -> tuple[str, str, str, str]:
    return platform, origin, native_id, handle or (native_id.removeprefix("@") if native_id.startswith("@") else "")


_ROOT = """
WITH RECURSIVE up AS (SELECT id, merged_into FROM customers WHERE id = :id
    UNION SELECT c.id, c.merged_into FROM up JOIN customers c ON c.id = up.merged_into)
SELECT id FROM up WHERE merged_into IS NULL
"""

_MERGED = """
WITH RECURSIVE down AS (SELECT id, name FROM customers WHERE id = CAST(:id AS bigint)
    UNION SELECT c.id, c.name FROM down JOIN customers c ON c.merged_into = down.id)
SELECT id, name FROM down
"""

_IDENTITIES = """
WITH own AS (SELECT * FROM identities WHERE id = ANY(:seeds)
    UNION SELECT i.* FROM identities i JOIN customer_identities c ON c.identity_id = i.id WHERE c.customer_id = CAST(:id AS bigint))
SELECT * FROM own
UNION SELECT i.* FROM own JOIN identities i ON own.kind = 'account' AND own.native_id LIKE '@%' AND i.kind = 'account'
    AND i.platform = own.platform AND lower(i.handle) = lower(substr(own.native_id, 2))
ORDER BY id
"""

_NAMED = """
SELECT id FROM identities WHERE kind = 'account' AND platform = :platform
    AND (native_id = :named OR native_id = '@' || :wanted OR lower(handle) = :wanted)
UNION SELECT id FROM identities WHERE :platform = '' AND kind IN ('email', 'phone', 'number', 'order') AND native_id IN (:named, lower(:named))
"""

_MENTIONS = """
WITH own AS (SELECT * FROM identities WHERE id = ANY(:ids)), theirs AS (
    SELECT m.id FROM own JOIN mentions m ON own.kind = 'account' AND m.platform = own.platform AND m.origin = own.origin
        AND m.author_id = own.native_id
    UNION SELECT m.id FROM own JOIN mentions m ON own.kind = 'account' AND own.native_id LIKE '@%' AND m.platform = own.platform
        AND own.origin IN ('', m.origin) AND lower(m.author_handle) = lower(substr(own.native_id, 2))
    UNION SELECT m.id FROM own JOIN mentions m ON own.kind = 'email' AND lower(m.author_id) = own.native_id
    UNION SELECT v.mention_id FROM verdicts v WHERE v.identity_id = ANY(:ids)
)
SELECT m.id, m.platform, m.origin, m.native_id, m.author_id, m.author_handle, m.author_name FROM theirs JOIN mentions m USING (id) ORDER BY m.id
"""
