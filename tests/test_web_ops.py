"""What machines ask the console: alive, ready, figures."""

from collections.abc import Iterator

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from console.web.roles import ROLES
from storage.ledger import Ledger
from storage.provision import create_database, drop_database
from tests import web
from tests.support import free_port
from workers.services import Services


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


def test_alive_without_a_database_and_ready_only_with_one() -> None:
    app = web.make_app(f"postgresql://nobody:x@127.0.0.1:{free_port()}/none")
    with web.serve(app) as address:
        assert httpx2.get(f"{address}/healthz").text == "ok\n"
        answer = httpx2.get(f"{address}/readyz")
        assert answer.status_code == 503
        assert answer.json()["ready"] is False
        page = httpx2.get(f"{address}/inbox", cookies={"earmark": "x"}, timeout=20)
        assert page.status_code == 503
        assert "nobody" not in page.text


def test_a_schema_of_another_version_is_not_ready(services: Services) -> None:
    url = create_database(services.database_url, "web_empty")
    try:
        with web.serve(web.make_app(url)) as address:
            answer = httpx2.get(f"{address}/readyz")
        assert answer.status_code == 503
        assert answer.json()["schema"] is None
        assert answer.json()["wanted"]
    finally:
        drop_database(services.database_url, "web_empty")


def test_a_missing_broker_leader_and_worker_degrade_and_do_not_unready(ledger: Ledger, database_url: str) -> None:
    def broken() -> bool:
        raise ConnectionError

    with web.serve(web.make_app(database_url, redis_ping=broken)) as address:
        answer = httpx2.get(f"{address}/readyz")
        assert answer.status_code == 200
        assert answer.json()["degraded"] == ["leader", "workers", "redis"]
        with ledger.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO workers (id, kind, leader, lock) VALUES ('s', 'scheduler', true, 1), ('w', 'worker', false, 2)"
                )
            )
        assert httpx2.get(f"{address}/readyz").json()["degraded"] == ["redis"]
    with web.serve(web.make_app(database_url, redis_ping=lambda: True)) as address:
        assert httpx2.get(f"{address}/readyz").json()["degraded"] == []


def test_metrics_parse_and_count_what_is_there(ledger: Ledger, database_url: str) -> None:
    web.ticket(ledger, web.mention(ledger, "m1", "x"), "One", "k1")
    with ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO channels (name, kind, platform, failures) VALUES ('a \"quoted\" one', 'x', 'x', 2)")
        )
        connection.execute(
            text("INSERT INTO page_counters (channel_id, seq, returned, new, known) VALUES (1, 1, 9, 7, 2)")
        )
    with web.serve(web.make_app(database_url)) as address:
        page = httpx2.get(f"{address}/metrics")
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }
    channel = ("channel", 'a "quoted" one')
    assert found[("earmark_tickets_open", (("status", "new"),))] == 1
    assert found[("earmark_channel_failures", (channel,))] == 2
    assert found[("earmark_mentions_total", (channel, ("result", "new")))] == 7
    assert found[("earmark_mentions_total", (channel, ("result", "dup")))] == 2
    assert found[("earmark_unscored", ())] == 0
    assert found[("earmark_dead", (("kind", "digest"),))] == 0
    assert any(name == "earmark_build_info" for name, _ in found)


def test_metrics_are_for_this_machine_or_the_token(database_url: str) -> None:
    with web.serve(web.make_app(database_url, metrics_token="a-token")) as address:
        assert httpx2.get(f"{address}/metrics").status_code == 200
        through_proxy = {"x-forwarded-for": "127.0.0.1"}
        assert httpx2.get(f"{address}/metrics", headers=through_proxy).status_code == 403
        token = {**through_proxy, "authorization": "Bearer a-token"}
        assert httpx2.get(f"{address}/metrics", headers=token).status_code == 200
        wrong = {**through_proxy, "authorization": "Bearer x"}
        assert httpx2.get(f"{address}/metrics", headers=wrong).status_code == 403
    with web.serve(web.make_app(database_url)) as address:
        empty = {"x-forwarded-for": "127.0.0.1", "authorization": "Bearer x"}
        assert httpx2.get(f"{address}/metrics", headers=empty).status_code == 403


def test_the_api_describes_itself(ledger: Ledger, database_url: str) -> None:
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["viewer"]) as client:
        described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.")
    assert "/api/v1/tickets/{number}" in described["paths"]
    assert "TicketPage" in described["components"]["schemas"]
    told = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    known = {(method, path) for method, path in ROLES if path.startswith("/api/v1/")}
    assert told == known - {("GET", "/api/v1/openapi.json")}
