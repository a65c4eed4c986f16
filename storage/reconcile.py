"""`earmark reconcile`: whether the ledger keeps promises 1 to 3, shown from both sides of each line. Reads only, in one snapshot."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, text

from storage.ledger import rows
from storage.proofs import PROOFS, Proof

SHOWN = 50  # of each line; the rest is counted


@dataclass(frozen=True, slots=True)
class Finding:
    """A row or group of rows that contradicts what another table says."""

    table: str
    parent: str
    problem: str
    difference: int

    def __str__(self) -> str:
        return f"{self.table}: {self.parent}: {self.problem} ({self.difference:+d})"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that must hold, with its figures."""

    name: str
    figures: dict[str, int]
    wrong: int

    def __str__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.figures.items())
        return f"{'ok   ' if not self.wrong else 'WRONG'} {self.name}{': ' + figures if figures else ''}"


@dataclass(slots=True)
class Report:
    """All lines, all findings (at most 50 per line are listed), and every interval a channel could not read."""

    lines: list[Line] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not any(line.wrong for line in self.lines)

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "good": self.good}


def reconcile(connection: Connection, said: Callable[[int], None] = lambda done: None) -> Report:
    """Check every line. The caller's transaction should be one snapshot (Ledger.read), or a running system moves underneath.

    `said` is told how many of PROOFS are done."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL work_mem = '64MB'"))
    report = Report()
    for done, proof in enumerate(PROOFS, 1):
        _check(connection, proof, report)
        said(done)
    report.gaps = [
        dict(row)
        for row in rows(
            connection,
            "SELECT g.id, c.name AS channel, g.since, g.until, g.filled_at, g.reason FROM gaps g "
            "LEFT JOIN channels c ON c.id = g.channel_id ORDER BY g.since NULLS FIRST, g.id",
        )
    ]
    return report


def _check(connection: Connection, proof: Proof, report: Report) -> None:
    figures = rows(connection, proof.figures)[0] if proof.figures else {}
    found = rows(connection, f"SELECT *, count(*) OVER () AS wrong FROM ({proof.findings}) q LIMIT {SHOWN}")  # noqa: S608
    report.lines.append(
        Line(proof.name, {name: int(value or 0) for name, value in figures.items()}, found[0]["wrong"] if found else 0)
    )
    report.findings += [
        Finding(row["tbl"], row["parent"], row["problem"], int(Decimal(row["difference"] or 0))) for row in found
    ]
