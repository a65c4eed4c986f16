"""The customer list as CSV or JSON Lines, brought into the ledger: every row is taken, or listed with its line and the reason.

Columns in any order: name, email, phone, customer_number, order, tier, vip, PLATFORM_handle, declared_handle (x:ada, what the customer
said); any other column becomes an attribute. A row is known again by its customer number, else by its e-mail address. The same file
twice changes nothing.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from domain import identity
from storage import bulk, customers, suppress
from storage.runs import ids

CHUNK = 500
PLAIN = frozenset({"name", "email", "phone", "customer_number", "order", "tier", "vip", "declared_handle"})
_BROKEN = (
    "\u00c3\u00bc",
    "\u00c3\u00a4",
    "\u00c3\u00b6",
    "\u00c3\u00a9",
    "\u00c3\u0178",
    "\ufffd",
)  # UTF-8 read as Latin-1, or not at all
YES, NO = frozenset({"1", "true", "yes", "y", "x", "vip"}), frozenset({"", "0", "false", "no", "n"})
Identity = tuple[str, str, str]  # kind, platform, native id


class BadRow(ValueError):
    """Why a line was not taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file that could be read."""

    number: int
    name: str
    tier: str
    vip: bool | None  # None: the file does not say
    identities: tuple[Identity, ...]
    attributes: dict[str, str]

    @property
    def anchors(self) -> list[Identity]:
        """What a row is known again by: its number, then its address."""
        order = {"number": 0, "email": 1}
        return sorted((key for key in self.identities if key[0] in order), key=lambda key: order[key[0]])


@dataclass(slots=True)
class Brought:
    """What an import did. `errors`: (line, reason)."""

    lines: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    identities: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)


def read(
    source: Iterable[str], region: str | None = None, mapping: Mapping[str, str] | None = None
) -> Iterator[Line | tuple[int, str]]:
    """The lines of a CSV: each read, or (line, reason). `mapping`: column of the file → our name for it, empty to leave it out.

    Raises BadRow for a file that is no customer list.
    """
    reader = csv.reader(source)
    header = _named([name.strip().lstrip("\ufeff") for name in next(reader, [])], mapping or {})
    handles = _handles(header)
    if twice := {name for name in header if name and header.count(name) > 1}:
        raise BadRow(f"column given twice: {', '.join(sorted(twice))}")
    for cells in _cells(reader):
        if not any(cell.strip() for cell in cells):
            continue
        try:
            if len(cells) > len(header):
                raise BadRow(f"{len(cells)} fields where the first line names {len(header)}")
            values = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if name}
            yield _line(reader.line_num, values, handles, region)
        except ValueError as error:
            yield reader.line_num, str(error)


def read_json(
    source: Iterable[str], region: str | None = None, mapping: Mapping[str, str] | None = None
) -> Iterator[Line | tuple[int, str]]:
    """The same from JSON Lines: an object a line, its values texts, numbers or true and false."""
    for number, raw in enumerate(source, 1):
        if not raw.strip():
            continue
        try:
            told = json.loads(raw)
            if not isinstance(told, dict):
                raise BadRow("no JSON object")
            names = _named([str(name) for name in told], mapping or {})
            values = {name: _text(value) for name, value in zip(names, told.values(), strict=True) if name}
            yield _line(number, values, _handles(names), region)
        except (ValueError, RecursionError) as error:
            yield number, str(error)


def _named(header: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """Columns by our names. Raises BadRow where the mapping names one the file does not have."""
    low = {name.lower(): ours.lower() for name, ours in mapping.items()}
    if unknown := sorted(set(low) - {name.lower() for name in header}):
        raise BadRow(f"the file has no column {', '.join(unknown)}; it has {', '.join(header)}")
    return [low.get(name.lower(), name.lower()) for name in header]


def _handles(header: Sequence[str]) -> dict[str, str]:
    handles = {
        name: name.removesuffix("_handle")
        for name in header
        if name.endswith("_handle") and name not in ("_handle", "declared_handle")
    }
    if not handles and not PLAIN & set(header):
        raise BadRow(f"no known column in the first line; known: {', '.join(sorted(PLAIN))} and PLATFORM_handle")
    return handles


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        raise BadRow("a value is a list or an object; give a text")
    return str(value).strip()


def _cells(reader: Any) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise BadRow(f"line {reader.line_num} is no CSV: {error}") from error


def _line(number: int, values: Mapping[str, str], handles: Mapping[str, str], region: str | None) -> Line:
    if any("\0" in value for value in values.values()):
        raise BadRow("a NUL character")
    if broken := next((value for value in values.values() if any(mark in value for mark in _BROKEN)), None):
        raise BadRow(
            f"{broken[:60]!r} was written in one encoding and read in another; save the file as UTF-8, or give --encoding"
        )
    identities = _identities(values, handles, region)
    if not any(kind in ("number", "email") for kind, _, _ in identities):
        raise BadRow("neither customer_number nor email: the row could not be known again")
    vip = values.get("vip", "").lower()
    if vip not in YES | NO:
        raise BadRow(f"vip is {values['vip']!r}; write yes or no")
    attributes = {name: value for name, value in values.items() if value and name not in PLAIN and name not in handles}
    said = vip in YES if "vip" in values else None
    name = " ".join(values.get("name", "").split())
    return Line(number, name, values.get("tier", ""), said, tuple(dict.fromkeys(identities)), attributes)


def _identities(values: Mapping[str, str], handles: Mapping[str, str], region: str | None) -> list[Identity]:
    given = [
        ("number", "", values.get("customer_number", "")),
        ("email", "", values.get("email", "")),
        ("phone", "", values.get("phone", "")),
    ]
    given += [("order", "", order) for order in values.get("order", "").replace(";", " ").split()]
    given += [("account", platform, values.get(column, "")) for column, platform in handles.items()]
    for declared in values.get("declared_handle", "").replace(";", " ").split():
        platform, colon, handle = declared.partition(":")
        if not colon or not handle:
            raise BadRow(f"declared_handle {declared!r}: write the platform first, such as x:ada")
        given.append(("account", platform, handle))
    found = [identity.normal(kind, value, platform, region) for kind, platform, value in given if value]
    return [(one.kind, one.platform, one.native_id) for one in found]


def bring(
    connection: Connection, secret: bytes, lines: Iterable[Line | tuple[int, str]], source: str = "import"
) -> Brought:
    """Upsert the lines, some hundred at a time, in the caller's transaction; a dry run rolls it back. `source`: who says so."""
    customers.lock(connection)
    result = Brought()
    waiting = iter(lines)
    while chunk := list(islice(waiting, CHUNK)):
        result.lines += len(chunk)
        result.errors += [line for line in chunk if isinstance(line, tuple)]
        readable = [line for line in chunk if isinstance(line, Line)]
        taken = list(_not_erased(connection, secret, readable, result))
        while taken:  # the same person twice in one chunk: the later line sees what the earlier wrote
            seen: set[Identity] = set()
            now: list[Line] = []
            later: list[Line] = []
            for line in taken:
                (later if later or seen & set(line.identities) else now).append(line)
                seen |= set(line.identities)
            _write(connection, now, result, source)
            taken = later
    result.errors.sort()
    return result


def _not_erased(connection: Connection, secret: bytes, lines: Sequence[Line], result: Brought) -> Iterator[Line]:
    """Lines none of whose identities belongs to an erased person."""
    hashes = {line.number: {_hash(secret, key) for key in line.identities} for line in lines}
    hits = suppress.suppressed(connection, (hash_ for group in hashes.values() for hash_ in group))
    for line in lines:
        if hashes[line.number] & hits:
            result.errors.append((line.number, "erased: this person asked to be forgotten"))
        else:
            yield line


def _hash(secret: bytes, key: Identity) -> bytes:
    kind, platform, native_id = key
    return suppress.key(secret, "handle" if kind == "account" else kind, platform, "", native_id)


def _write(connection: Connection, lines: Sequence[Line], result: Brought, source: str) -> None:
    """Lines that share nothing: find whose they are, then one statement per table."""
    known = customers.owners(connection, [key for line in lines for key in line.identities])
    mine: dict[int, int] = {}
    fresh: list[Line] = []
    for line in lines:
        anchored = {known[key] for key in line.anchors if known.get(key) is not None}
        claimed = {known[key] for key in line.identities if known.get(key) is not None}
        if len(claimed) > 1 or (claimed and not anchored):
            what = next(
                key for key in line.identities if known.get(key) is not None and known[key] not in list(anchored)[:1]
            )
            reason = f"{what[0]} {what[2]} belongs to customer {known[what]} already; merge the two first"
            result.errors.append((line.number, reason))
        elif anchored:
            mine[line.number] = anchored.pop() or 0
        else:
            fresh.append(line)
    updated = _update(connection, [line for line in lines if line.number in mine], mine)
    for line, id_ in zip(fresh, ids(connection, "customers", len(fresh)), strict=True):
        mine[line.number] = id_
    _create(connection, fresh, mine, source)
    links = [(key, mine[line.number], line) for line in lines if line.number in mine for key in line.identities]
    added = _link(connection, [link for link in links if known.get(link[0]) is None], source)
    result.created += len(fresh)
    result.identities += sum(added.values())
    changed = {id_ for id_, n in added.items() if n} | updated
    for number, id_ in mine.items():
        if all(line.number != number for line in fresh):
            result.updated += id_ in changed
            result.unchanged += id_ not in changed


def _row(line: Line, id_: int) -> dict[str, Any]:
    return {"id": id_, "name": line.name, "tier": line.tier, "vip": line.vip, "attributes": line.attributes}


_RECORD = "json_to_recordset(CAST(:rows AS json)) AS r(id bigint, name text, tier text, vip boolean, attributes jsonb)"


def _create(connection: Connection, lines: Sequence[Line], mine: Mapping[int, int], source: str) -> None:
    bulk.execute(
        connection,
        "INSERT INTO customers (id, name, tier, vip, attributes, source) OVERRIDING SYSTEM VALUE "  # noqa: S608 our own text
        f"SELECT id, name, tier, coalesce(vip, false), attributes, :source FROM {_RECORD} ORDER BY id",
        [_row(line, mine[line.number]) for line in lines],
        source=source,
    )


def _update(connection: Connection, lines: Sequence[Line], mine: Mapping[int, int]) -> set[int]:
    """The file wins where it says something; an empty field says nothing. Returns whom it changed."""
    found = bulk.execute(
        connection,
        "UPDATE customers c SET name = coalesce(nullif(r.name, ''), c.name), tier = coalesce(nullif(r.tier, ''), c.tier), "  # noqa: S608
        f"vip = coalesce(r.vip, c.vip), attributes = c.attributes || r.attributes FROM {_RECORD} WHERE c.id = r.id AND (c.name, c.tier, c.vip, "
        "c.attributes) IS DISTINCT FROM (coalesce(nullif(r.name, ''), c.name), coalesce(nullif(r.tier, ''), c.tier), coalesce(r.vip, c.vip), "
        "c.attributes || r.attributes) RETURNING c.id",
        sorted((_row(line, mine[line.number]) for line in lines), key=lambda row: row["id"]),
    )
    return {row.id for row in found}


def _link(connection: Connection, links: Sequence[tuple[Identity, int, Line]], source: str) -> dict[int, int]:
    """Make the identities and give them to their customers: customer id → how many."""
    made = bulk.execute(
        connection,
        """WITH r AS (SELECT * FROM json_to_recordset(CAST(:rows AS json))
            AS r(k text, p text, n text, handle text, name text, mark text, customer bigint)
        ), made AS (
            INSERT INTO identities AS i (kind, platform, native_id, handle, name, source, mark)
            SELECT k, p, n, handle, name, :source, mark FROM r ORDER BY k, p, n
            ON CONFLICT (kind, platform, origin, native_id) DO UPDATE SET source = i.source RETURNING id, kind, platform, native_id
        )
        INSERT INTO customer_identities (identity_id, customer_id, evidence, confidence, source)
        SELECT made.id, r.customer, :evidence, 1.0, :source FROM made
        JOIN r ON made.kind = r.k AND made.platform = r.p AND made.native_id = r.n ORDER BY made.id
        ON CONFLICT DO NOTHING RETURNING customer_id""",
        [
            {
                "k": key[0],
                "p": key[1],
                "n": key[2],
                "handle": key[2].removeprefix("@") if key[0] == "account" else "",
                "name": line.name,
                "mark": identity.mark(identity.Identity(key[0], key[1], key[2], handle=key[2].removeprefix("@"))),
                "customer": customer,
            }
            for key, customer, line in links
        ],
        source=source,
        evidence="imported customer list" if source == "import" else f"contact at {source}",
    )
    counted: dict[int, int] = {}
    for row in made:
        counted[row.customer_id] = counted.get(row.customer_id, 0) + 1
    return counted
