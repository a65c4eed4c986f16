"""Tickets by the words of their subjects, posts and notes, in the language of docs/queries.md.

`ticket_words` has a row per text, kept by triggers (migration 0007): a text is matched by itself. An index finds the rows that can match;
what its words do not tell (a #tag, a sign within a word, a wildcard in the middle) is then looked at in the text of those rows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from domain.query_match import pattern
from domain.query_tree import NEVER, Both, Either, Field, Near, Node, Not, Term, Wild
from storage.ledger import rows

_PLAIN = re.compile(r"[\w\s'\-]*")
_ENDS = re.compile(r"[\w\s'\-]*\w\*")  # a wildcard at the very end
# a question about the post itself; a subject or a note has no author and no address
_FIELDS = {
    "lang": "(SELECT v.language FROM verdicts v WHERE v.mention_id = m.id ORDER BY v.version DESC LIMIT 1) = :{0}",
    "author": "(lower(ltrim(m.author_handle, '@')) IN (:{0}, 'u/' || :{0}) OR lower(m.author_id) = :{0})",
    "platform": "lower(m.platform) = :{0}",
    "site": "('.' || regexp_replace(substring(m.url from '^[a-z]+://([^/?#]+)'), '^www[.]|:[0-9]+$', '', 'g')) LIKE '%.' || :{0}",
}


@dataclass(slots=True)
class _Writing:
    """A condition being written: what a person typed travels as values only."""

    values: dict[str, Any] = field(default_factory=dict)
    posts_only: bool = False

    def value(self, what: Any) -> str:
        name = f"sought{len(self.values)}"
        self.values[name] = what
        return name

    def looked(self, node: Node) -> str | None:
        """A tsquery every match fulfils; None where the index can say nothing."""
        match node:
            case Term() | Wild() | Near():
                return self.words(node)
            case Both(parts):
                found = [part for part in map(self.looked, parts) if part]
                return f"({' && '.join(found)})" if found else None
            case Either(parts):
                each = [self.looked(part) for part in parts]
                return f"({' || '.join(map(str, each))})" if each and all(each) else None
        return None

    def words(self, node: Node) -> str | None:
        """The tsquery of what stands in a text."""
        match node:
            case Term(text):
                forms = dict.fromkeys((text, text.replace("'", "").replace("\u2019", "")))
                each = [f"phraseto_tsquery('simple', search_text(:{self.value(form)}))" for form in forms]
                return f"({' || '.join(each)})" if re.search(r"\w", text) else None
            case Wild(text):
                return self._wild(text)
            case Near(left, right, gap, ordered):
                first, second = self.words(left), self.words(right)
                if first and second:
                    return f"search_near({first}, {second}, {int(gap)}, {'true' if ordered else 'false'})"
                return first or second
            case Either(parts):
                each_ = [self.words(part) for part in parts]
                return f"({' || '.join(map(str, each_))})" if all(each_) else None
        return None

    def _wild(self, text: str) -> str | None:
        """Words by their beginnings: next to each other while each begins with letters, else somewhere in the text."""
        found, together = [], True
        for word in re.findall(r"[\w*?]+", text):
            head = re.match(r"[^\W_]*", word)[0]  # type: ignore[index] # it always matches
            if head == word:
                found.append(f"phraseto_tsquery('simple', :{self.value(word)})")
            elif head:
                found.append(f"to_tsquery('simple', :{self.value(head + ':*')})")
            else:
                together = False
        return f"({(' <-> ' if together else ' && ').join(found)})" if found else None

    def holds(self, node: Node) -> str:
        """The condition itself, of a row `w`."""
        match node:
            case Not(part):
                return f"NOT ({self.holds(part)})"
            case Both(parts):
                return " AND ".join(f"({self.holds(part)})" for part in parts) or "true"
            case Either(parts):
                return " OR ".join(f"({self.holds(part)})" for part in parts) or "false"
            case Field(name, value):
                self.posts_only = True
                asked = _FIELDS[name].format(self.value(value))
                return f"EXISTS (SELECT 1 FROM mentions m WHERE m.id = w.source_id AND {asked})"  # noqa: S608 of _FIELDS
        words = self.words(node)
        said = [f"w.words @@ {words}"] if words else []
        if (text := _looked_at(node)) is not None:
            said.append(f"search_source(w.source, w.source_id) ~* :{self.value(pattern(text).pattern)}")
        return " AND ".join(said) or "false"


def _looked_at(node: Node) -> str | None:
    """What the words of a text cannot tell and must be read: the text of that term."""
    match node:
        case Term(text) if not _PLAIN.fullmatch(text):
            return text
        case Wild(text) if not _ENDS.fullmatch(text):
            return text
    return None


def _told(node: Node) -> bool:
    """Whether the words alone tell: nothing is to be read, asked of the post or absent."""
    match node:
        case Both(parts) | Either(parts):
            return all(map(_told, parts))
        case Near(left, right):
            return _told(left) and _told(right)
        case Not() | Field():
            return False
    return _looked_at(node) is None


def condition(node: Node) -> tuple[str, dict[str, Any]]:
    """(condition of a row `w` of ticket_words, its values)."""
    if node == NEVER:
        return "false", {}
    writing = _Writing()
    looked = writing.looked(node)
    if looked and _told(node):
        return f"w.words @@ {looked}", writing.values
    holds = writing.holds(node)
    parts = [f"w.words @@ {looked}"] if looked else []
    if writing.posts_only:
        parts.append("w.source = 'mention'")
    return " AND ".join([*parts, f"({holds})"]), writing.values


def texts(connection: Connection, node: Node, ids: Sequence[int]) -> dict[int, str]:
    """Ticket id → a text of it that matches: the newest post or note before the subject."""
    where, values = condition(node)
    found = rows(
        connection,
        "SELECT DISTINCT ON (w.ticket_id) w.ticket_id, left(search_source(w.source, w.source_id), 20000) AS said FROM ticket_words w "  # noqa: S608
        f"WHERE w.ticket_id = ANY(:ids) AND {where} ORDER BY w.ticket_id, w.source = 'subject', w.source_id DESC",
        ids=list(ids),
        **values,
    )
    return {row["ticket_id"]: (row["said"] or "").replace("\u02d0", " ") for row in found}


def subject(connection: Connection, ticket_id: int) -> None:
    """Let a ticket be found by a subject a person gave it; one that came with a post is found by the post."""
    connection.execute(
        text(
            "INSERT INTO ticket_words SELECT id, 'subject', id, search_words(subject) FROM tickets WHERE id = :id AND subject <> '' "
            "ON CONFLICT (ticket_id, source, source_id) DO UPDATE SET words = EXCLUDED.words"
        ),
        {"id": ticket_id},
    )
