"""Alert routes through Apprise over real HTTP: one call per attempt, by our guarded client alone, failures in the attempts' rows."""

import ast
import importlib
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from connectors.contract import Context
from connectors.errors import AuthError, ConfigError, ConnectorError, Transient
from connectors.outbound import notify
from domain.nouns import Notice
from storage import targets
from storage.ledger import Ledger
from tests import delivering
from tests.delivering import attempts, desk, go, hurry, name, now, owe_tickets, states, target_row
from tests.support import free_port
from tests.test_deliver_mail import FLAG
from town.server import Town

NOTICE = Notice("flag.open", "em-f7-1-on-call", FLAG)


@pytest.fixture(scope="module")
def ledger(database_url: str):
    ledger = Ledger(database_url)
    yield ledger
    ledger.close()


@pytest.fixture(scope="module")
def shared():
    with Town(seed=7) as town:
        yield town


@pytest.fixture
def town(shared, monkeypatch):
    shared.faults.clear()
    with shared.ledger.transaction() as db:
        db.execute("DELETE FROM notices")
    monkeypatch.setitem(delivering.SECRETS, "ROUTE", address(shared))
    return shared


def address(town, scheme="json", path="hooks/s3cret-path"):
    return f"{scheme}://{urlsplit(town.urls['notify']).netloc}/{path}"


def send(url, allow=("127.0.0.1",), deadline=5.0, notice=NOTICE):
    context = Context(now=now, secret={"ROUTE": url}.__getitem__, allow_hosts=frozenset(allow), deadline=deadline)
    made = notify.Desk(notify.Settings(url_env="ROUTE"), context)
    return made.deliver(notice, made.render(notice, None), None)


def test_a_flag_arrives_with_its_key_and_calls_nobody(town):
    samples = [{"text": "@everyone <!channel> all is broken\n<@U123> ☎"}]
    send(address(town), notice=Notice("flag.open", "em-f7-1-on-call", {**FLAG, "samples": samples}))
    (got,) = town.ledger.notices()
    assert got["path"] == "/hooks/s3cret-path"
    assert got["body"]["title"] == "Flag raised: negative-spike on northbank · all"
    assert got["body"]["type"] == "warning"
    said = got["body"]["message"]
    assert "all is broken" in said
    assert said.endswith("ref em-f7-1-on-call")
    assert "@everyone" not in said
    assert "<!" not in said
    assert "<@" not in said


def test_each_attempt_is_a_row_and_a_lost_answer_repeats_under_the_same_key(ledger, town):
    target = name(ledger, "notify")
    owe_tickets(ledger, target, 2)
    town.faults.add("notify", "error_after", nth=[1])
    town.faults.add("notify", "reset_after", nth=[2])
    made, outcomes = desk("notify", {"url_env": "ROUTE"}), []
    for _ in range(6):
        outcomes += list(go(ledger, target, made).outcomes.items())
        hurry(ledger, target)
    assert states(ledger, target) == {"done": 2}
    assert [a["outcome"] for a in attempts(ledger, target)].count("unknown") == 2
    keys = [n["body"]["message"].rsplit("ref ", 1)[1] for n in town.ledger.notices()]
    assert (len(keys), len(set(keys))) == (4, 2)


def test_failures_are_seen_and_a_refused_route_waits_for_a_person(ledger, town):
    target = name(ledger, "notify")
    owe_tickets(ledger, target, 2)
    fault = town.faults.add("notify", "401")
    made = desk("notify", {"url_env": "ROUTE"})
    assert go(ledger, target, made).outcomes == {"blocked": 1}
    seen = f"{target_row(ledger, target)['blocked']} {attempts(ledger, target)}"
    assert "credentials" in seen
    assert "s3cret" not in seen
    town.faults.clear(fault.id)
    with ledger.begin() as c:
        targets.resume(c, target)
        c.execute(text("UPDATE outbox SET due = now() WHERE target = :t"), {"t": target})
    assert go(ledger, target, made).outcomes == {"done": 2}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "429", "seconds": 30}, ConnectorError), ({"kind": "status", "status": 404}, ConfigError),
        ({"kind": "status", "status": 403}, AuthError), ({"kind": "status", "status": 503}, Transient),
        ({"kind": "hang", "seconds": 5}, Transient), ({"kind": "reset"}, Transient),
        ({"kind": "redirect", "location": "http://169.254.169.254/latest"}, ConfigError),
    ],
)  # fmt: skip
def test_every_failure_has_its_meaning_and_keeps_the_address_secret(town, fault, error, caplog, capfd):
    town.faults.add("notify", **fault)
    before = len(town.ledger.requests("notify"))
    with pytest.raises(error) as failed:
        send(address(town), deadline=0.7)
    assert failed.value.kind in ("rate-limited", "config", "auth", "transient")
    out = capfd.readouterr()
    assert "s3cret" not in f"{failed.value}{failed.value.advice}{caplog.text}{out.out}{out.err}"
    assert len(town.ledger.requests("notify")) - before <= 1


def test_nobody_there_is_no_doubt(town):
    with pytest.raises(Transient) as failed:
        send(f"json://127.0.0.1:{free_port()}/x")
    assert not failed.value.sent


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]", "127.1", "[::ffff:127.0.0.1]"])
def test_the_address_guard_is_not_passed_by(town, host):
    before = len(town.ledger.requests("notify"))
    with pytest.raises(ConfigError):
        send(f"json://{host}:{urlsplit(town.urls['notify']).port}/x", allow=())
    assert len(town.ledger.requests("notify")) == before


@pytest.mark.parametrize(
    "url",
    [
        "mailto://u:p@example.org", "dbus://", "syslog://", "file:///etc/passwd", "mqtt://127.0.0.1", "json://", "slack://x",
        "json://a.example json://b.example", "", "workflows://h.example/a/b/c?template=/etc/passwd",
    ],
)  # fmt: skip
def test_other_services_and_half_addresses_are_refused_unsent(town, url):
    with pytest.raises(ConfigError) as refused:
        send(url)
    assert "passwd" not in str(refused.value)


def test_apprise_modules_cannot_speak_without_a_delivery(town):
    send(address(town))
    module = sys.modules["apprise.plugins.custom_json"]
    with pytest.raises(RuntimeError, match="no delivery"):
        module.requests.post("http://127.0.0.1:1/")
    for way in ("Session", "session", "sessions", "api", "adapters"):
        with pytest.raises(AttributeError):
            getattr(module.requests, way)


WAYS_OUT = {
    "socket",
    "ssl",
    "smtplib",
    "urllib.request",
    "http.client",
    "httpx",
    "aiohttp",
    "subprocess",
    "asyncio",
    "urllib3",
}


def test_every_service_on_the_list_speaks_through_requests_alone():
    """Read from the library's own source: a service whose module has another way out may not be on our list."""
    from apprise.manager_plugins import NotificationManager

    from connectors.outbound._apprise import SCHEMAS

    manager = NotificationManager()
    for scheme in sorted(SCHEMAS):
        module = importlib.import_module(manager[scheme].__module__)
        assert module.__file__
        assert Path(module.__file__).name != "__init__.py", f"{scheme} is more than one module"
        tree = ast.parse(Path(module.__file__).read_text())
        found = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        found |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module and not n.level}
        assert "requests" in found, scheme
        assert not found & WAYS_OUT, (scheme, found & WAYS_OUT)
        assert not any(f.startswith("requests.") and f != "requests.auth" for f in found), scheme
