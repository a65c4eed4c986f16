"""Every mishap of the transport, seen from a plain HTTP client, and what the ledger makes of it."""

import http.client
import socket
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
import requests

from town.server import Town


@pytest.fixture
def town():
    with Town(seed=5) as town:
        for i in range(20):
            town.post("feeds", f"text {i}")
        yield town


def get(town, timeout=5):
    return requests.get(town.urls["feeds"] + "/news.rss", timeout=timeout)


def outcomes(town, count):
    found = []
    for _ in range(count):
        try:
            found.append(get(town).status_code)
        except requests.RequestException:
            found.append(0)
    return found


def test_by_request_count(town):
    town.faults.add("feeds", "status", status=503, nth=[2, 4])
    assert outcomes(town, 5) == [200, 503, 200, 503, 200]
    town.faults.clear()
    town.faults.add("feeds", "status", status=500, every=3, times=1)
    assert outcomes(town, 6) == [200, 200, 500, 200, 200, 200]
    assert [r["fault"] for r in town.ledger.requests("feeds")].count("status") == 3


def test_by_seeded_probability():
    def run(seed):
        with Town(seed=seed) as town:
            town.post("feeds", "text")
            town.faults.add("feeds", "status", probability=0.4)
            return outcomes(town, 20)

    assert run(1) == run(1) != run(2)
    assert 2 <= run(1).count(503) <= 14


def test_by_path_and_method_and_platform(town):
    town.faults.add("feeds", "status", path="atom", status=502)
    town.faults.add("reddit", "status", status=502)
    town.faults.add("feeds", "status", method="POST", status=502)
    assert get(town).status_code == 200
    assert requests.get(town.urls["feeds"] + "/news.atom", timeout=5).status_code == 502
    with pytest.raises(ValueError, match="unknown fault"):
        town.faults.add("feeds", "gremlins")


def test_truncated_body_is_shorter_than_it_says(town):
    town.faults.add("feeds", "truncate", times=1)
    parts = urlsplit(town.urls["feeds"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request("GET", "/news.rss")
    with pytest.raises(http.client.IncompleteRead) as caught:
        connection.getresponse().read()
    assert len(caught.value.partial) > 100
    assert town.ledger.summary()["served"] == {}
    assert get(town).status_code == 200
    assert town.ledger.summary()["served"]["feeds"]["distinct"] == 20


def test_resets(town):
    for kind in ("reset", "reset_mid", "reset_after"):
        town.faults.add("feeds", kind, times=1)
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            get(town)
        town.faults.clear()
    assert town.ledger.summary()["served"] == {}
    parts = urlsplit(town.urls["feeds"])
    town.faults.add("feeds", "reset", times=1)
    with socket.create_connection((parts.hostname, parts.port), timeout=5) as plain:
        plain.sendall(b"GET /news.rss HTTP/1.1\r\nHost: town\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            plain.recv(100)


def test_a_request_that_is_never_answered(town):
    town.faults.add("feeds", "hang", times=1, seconds=30)
    began = time.monotonic()
    with pytest.raises(requests.Timeout):
        get(town, timeout=0.4)
    assert time.monotonic() - began < 5
    assert [r["fault"] for r in town.ledger.requests("feeds")] == ["hang"]


def test_a_slow_drip_comes_whole_in_the_end(town):
    town.faults.add("feeds", "drip", times=1, seconds=0.6)
    began = time.monotonic()
    assert get(town).content == get(town).content
    assert time.monotonic() - began > 0.5


def test_wrong_bodies_with_200(town):
    for kind, kindly in (("html", "text/html"), ("bad_json", "application/rss+xml; charset=utf-8"), ("empty", None)):
        town.faults.add("feeds", kind, times=1)
        answer = get(town)
        assert answer.status_code == 200
        assert kindly is None or answer.headers["Content-Type"] == kindly
        town.faults.clear()
    assert answer.content == b""
    assert town.ledger.summary()["served"] == {}


def test_bad_json_does_not_parse(town):
    town.faults.add("feeds", "bad_json", times=1)
    with pytest.raises(ValueError):
        requests.get(town.urls["feeds"] + "/news.json", timeout=5).json()


def test_reset_as_a_date(town):
    town.faults.add("feeds", "429", reset="date", seconds=60, times=1)
    until = parsedate_to_datetime(get(town).headers["Retry-After"]).timestamp()
    assert 50 < until - time.time() <= 60


def test_a_connection_is_kept_alive(town):
    parts = urlsplit(town.urls["feeds"])
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    sockets = set()
    for _ in range(3):
        connection.request("GET", "/news.rss")
        assert connection.getresponse().read()
        sockets.add(connection.sock.getsockname())
    connection.close()
    assert len(sockets) == 1
