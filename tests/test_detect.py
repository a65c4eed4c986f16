"""`earmark detect` on what people really send: every row answered or a clear error, and no flag from garbage."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from console.cli.main import app

START = datetime(2026, 8, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
QUIET = [(START + n * STEP, str(v)) for n, v in enumerate(np.random.default_rng(1).poisson(6, 4 * 288))]
LAST = QUIET[-1][0]
CRISIS = [(LAST + timedelta(hours=3) + n * STEP, "200") for n in range(3)]


def lines(rows: list[tuple[datetime, str]], header: str = "timestamp,value\n") -> str:
    return header + "".join(f"{at.isoformat()},{value}\n" for at, value in rows)


def detect(text: str, *more: str) -> tuple[int, list[str], str]:
    done = CliRunner().invoke(app, ["detect", "-", *more], input=text)
    return done.exit_code, done.stdout.splitlines(), done.stderr


def flagged(out: list[str]) -> list[str]:
    return [row for row in out[1:] if row.endswith(",1")]


@pytest.mark.parametrize(
    "odd",
    [
        [(LAST + STEP, value) for value in ("nan", "NaN", "inf", "-inf", "-500", "1e400")],
        [(LAST, "900")] * 5,
        [(LAST - timedelta(hours=2), "900"), (START, "900")],
        [(datetime(2099, 1, 1, tzinfo=UTC), "900")],
        [(datetime(1, 1, 1, tzinfo=UTC), "900")],
        [(LAST + timedelta(days=3), "6"), (LAST + timedelta(days=3) + STEP, "6")],
    ],
    ids=["no counts", "duplicates", "out of order", "the clock jumps to 2099", "year 1", "a gap of days"],
)
def test_garbage_raises_no_flag_and_hides_none(odd: list[tuple[datetime, str]]) -> None:
    quiet = detect(lines(QUIET))[1]
    code, out, said = detect(lines([*QUIET, *odd]))
    assert (code, len(out) - 1, said) == (0, len(QUIET) + len(odd), "")
    assert flagged(out) == flagged(quiet)
    start = max([LAST, *(at for at, _ in odd if at.year == 2026)]) + timedelta(hours=3)
    crisis = [(start + n * STEP, "200") for n in range(3)]
    assert flagged(detect(lines([*QUIET, *odd, *crisis]))[1])[len(flagged(quiet)) :]


@pytest.mark.parametrize("value", ["0", "7", "1e9"])
def test_a_series_that_never_changes_raises_nothing(value: str) -> None:
    assert flagged(detect(lines([(START + n * STEP, value) for n in range(1200)]))[1]) == []


@pytest.mark.parametrize("year", [1, 2099])
def test_any_year_is_a_year(year: int) -> None:
    shift = datetime(year, 1, 1, tzinfo=UTC) - START
    code, out, _ = detect(lines([(at + shift, n) for at, n in [*QUIET, *CRISIS]]))
    assert (code, bool(flagged(out))) == (0, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp\n2026-01-01\n2026-01-02\n", "value"),
        ("value,timestamp\n5,2026-01-01\n", "timestamp,value"),
        ("timestamp,value\n2026-01-01\n", "number"),
        ("timestamp,value\nyesterday,5\n", "yesterday"),
        ("timestamp,value\n2026-01-01T00:00:00,many\n", "many"),
    ],
    ids=["no value column", "columns the other way round", "a row without a value", "no time", "no number"],
)
def test_what_cannot_be_read_is_said_with_its_line(text: str, said: str) -> None:
    code, _, error = detect(text)
    assert code != 0
    assert said in error


def test_nothing_in_is_nothing_out_and_json_stays_json() -> None:
    assert detect("")[:2] == (0, ["timestamp,value,score,flag"])
    assert detect("timestamp,value\n")[:2] == (0, ["timestamp,value,score,flag"])
    code, out, _ = detect(lines([(START, "nan"), (START + STEP, '"5"')]), "--json")
    assert code == 0
    read = [json.loads(row, parse_constant=lambda name: pytest.fail(name)) for row in out]
    assert [one["value"] for one in read] == [None, 5.0]
