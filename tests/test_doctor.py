"""What the doctor says about which facts, and that looking starts and changes nothing."""

import io
import time
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from console.cli import common
from domain import doctor
from domain.doctor import ChannelFacts, DiskFacts, Facts, TargetFacts

WELL = Facts(schema="1", schema_wanted="1")


@pytest.mark.parametrize(
    ("changed", "check", "severity", "advice"),
    [
        ({"embedded_down": ("postgres",), "database": "no"}, "database", "error", "earmark services start"),
        ({"embedded_down": ("valkey",), "broker": "no"}, "broker", "error", "earmark services start"),
        ({"database": "connection refused"}, "database", "error", "DATABASE_URL"),
        ({"schema": "0"}, "schema", "error", "migrate"),
        ({"broker": "ConnectionError"}, "broker", "error", "REDIS_URL"),
        ({"complaints": ("a.yaml:1:1: error: no",)}, "configuration", "error", "earmark check"),
        ({"warnings": ("channel a: set A_TOKEN",)}, "configuration", "warning", "Set it"),
        ({"refused": "a.yaml:1:1: error: no\nmore"}, "configuration", "error", "earmark check"),
        ({"in_force": False}, "configuration", "error", "earmark up"),
        ({"leader": False, "schedulers": 0}, "processes", "error", "earmark scheduler"),
        ({"leader": False}, "processes", "error", "log"),
        ({"workers": 0}, "processes", "error", "earmark worker"),
        ({"digest_threads": 0}, "processes", "error", "earmark worker"),
        ({"channels": [ChannelFacts("a", "stopped", "401")]}, "channels", "error", "earmark resume a"),
        ({"channels": [ChannelFacts("a", "failing", "503", "wait")]}, "channels", "warning", "wait"),
        ({"channels": [ChannelFacts("a", "reading", lag=200)]}, "channels", "warning", "--poll-threads"),
        ({"targets": [TargetFacts("d", "401")]}, "targets", "error", "earmark resume d"),
        ({"targets": [TargetFacts("d", oldest=1000)]}, "targets", "warning", "--deliver-threads"),
        ({"targets": [TargetFacts("d", oldest=1000, resting=True, error="503")]}, "targets", "warning", "by itself"),
        ({"pending": 9, "backlog": 400.0}, "backlog", "warning", "earmark worker"),
        ({"dead": 2}, "dead letters", "error", "earmark dead list"),
        ({"rejected": 2}, "dead letters", "warning", "earmark dead list"),
        ({"skew": -3.0}, "clock", "warning", "NTP"),
        ({"disks": (DiskFacts("data", "/d", 0.05, 1),)}, "disk", "warning", "retention"),
        ({"disks": (DiskFacts("data", "/d", 0.01, 1),)}, "disk", "error", "retention"),
        ({"users": 0}, "users", "warning", "earmark users add"),
    ],
)
def test_each_trouble_is_one_finding_with_what_to_do(
    changed: dict[str, Any], check: str, severity: str, advice: str
) -> None:
    found = doctor.diagnose(replace(WELL, **changed))
    assert [(one.check, one.severity) for one in found] == [(check, severity)]
    assert advice in found[0].advice
    assert found[0].text


def test_nothing_is_found_where_all_is_well_and_nothing_claimed_that_was_not_seen() -> None:
    assert doctor.diagnose(WELL) == []
    assert doctor.diagnose(replace(WELL, channels=[ChannelFacts("a", "paused", lag=9e9)])) == []
    assert doctor.diagnose(replace(WELL, targets=[TargetFacts("d", resting=True)])) == []
    assert doctor.unseen(WELL) == ()
    away = replace(WELL, database="away", leader=False, workers=0, dead=3)
    assert [one.check for one in doctor.diagnose(away)] == ["database"]
    assert {"processes", "dead letters", "schema"} <= set(doctor.unseen(away))
    assert set(doctor.unseen(away)) < set(doctor.CHECKS)


def test_errors_come_first() -> None:
    found = doctor.diagnose(replace(WELL, users=0, skew=9.0, dead=1, broker="no"))
    assert [one.severity for one in found] == ["error", "error", "warning", "warning"]


@pytest.mark.parametrize(
    ("terminal", "term", "shown"), [(True, "xterm", True), (False, "xterm", False), (True, "dumb", False)]
)
def test_a_bar_shows_on_a_terminal_once_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, term: str, shown: bool
) -> None:
    screen = io.StringIO()

    def made(stderr: bool = False) -> Console:
        return Console(file=screen, force_terminal=terminal, width=80, _environ={"TERM": term})

    monkeypatch.setattr(common, "console", made)
    with common.working("quick", 10) as done:
        done(10)
    assert screen.getvalue() == "", "what is quick shows no bar"
    monkeypatch.setattr(common, "PATIENCE_SECONDS", 0.05)
    with common.working("proving", 10) as done:
        done(3)
        time.sleep(0.3)
        done(9)
    assert ("proving" in screen.getvalue() and "/10" in screen.getvalue()) == shown
