"""The town as a process: its addresses, its story, its door, and what survives a restart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import requests

from tests.support import wait_until
from town.accounts import ACCOUNTS
from town.server import Town
from town.tale import Teller


class Process:
    """`python -m town` with its first line read."""

    def __init__(self, folder, *args):
        self.ports = folder / "ports.json"
        command = [
            sys.executable,
            "-m",
            "town",
            "--ledger",
            str(folder / "town.sqlite"),
            "--ports-file",
            str(self.ports),
        ]
        self.process = subprocess.Popen([*command, *args], stdout=subprocess.PIPE, text=True)
        self.urls = json.loads(self.process.stdout.readline())

    def control(self, method, path, **body):
        answer = requests.request(method, self.urls["control"] + path, json=body or None, timeout=5)
        return answer.json() | ({} if answer.ok else {"status": answer.status_code})

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


def test_the_tale_is_seeded_and_has_what_an_outage_has():
    tale = Teller(4).outage()
    assert [vars(e) for e in tale] == [vars(e) for e in Teller(4).outage()]
    assert [vars(e) for e in tale] != [vars(e) for e in Teller(5).outage()]
    posts = [e for e in tale if e.act == "post"]
    assert 400 <= len(posts) <= 640
    assert {e.platform for e in posts} == {"reddit", "x", "feeds"}
    assert Counter(e.act for e in tale)["delete"] >= 5
    assert Counter(e.act for e in tale)["edit"] >= 8
    assert Counter(e.act for e in tale)["fault"] == 3
    assert len([e for e in posts if e.args.get("malformed")]) == 3
    assert any(e.args.get("visible_in") for e in posts)
    assert any(e.args.get("retweet_of") for e in posts)
    assert {"northbank", "northbank_help"} <= {e.args["author"] for e in posts}
    per_second = Counter(int(e.at) for e in posts)
    calm, storm = (sum(per_second[s] for s in span) / 10 for span in (range(4, 14), range(28, 38)))
    assert storm > 2 * calm
    platforms_of = {}
    for event in posts:
        platforms_of.setdefault(event.args.get("name") or event.args["author"], set()).add(event.platform)
    assert sum(len(found) > 1 for found in platforms_of.values()) > 5
    assert 60 < len(Teller(4).quiet()) < 300


def test_a_story_goes_on_where_it_stopped(tmp_path):
    first = Process(tmp_path, "--story", "outage", "--speed", "30", "--seed", "3")
    wait_until(lambda: first.control("GET", "/story")["next"] > 100)
    assert first.end() == 0
    second = Process(tmp_path, "--story", "outage", "--speed", "60", "--seed", "3")
    try:
        assert second.urls == first.urls == json.loads(second.ports.read_text())
        assert second.control("GET", "/story")["next"] > 100
        wait_until(lambda: second.control("GET", "/story")["state"] == "done", 20)
        expected = len([e for e in Teller(3).outage() if e.act == "post"]) + len(Teller(4).quiet())
        edits_on_x = len([e for e in Teller(3).outage() if e.act == "edit" and e.platform == "x"])
        posts = second.control("GET", "/ledger/summary")["posts"]
        assert sum(p["total"] for p in posts.values()) == expected + edits_on_x
    finally:
        assert second.end() == 0


def test_a_killed_story_repeats_and_skips_nothing(tmp_path):
    first = Process(tmp_path, "--story", "outage", "--speed", "30")
    wait_until(lambda: first.control("GET", "/story")["next"] > 50)
    first.end(signal.SIGKILL)
    with Town(tmp_path / "town.sqlite", seed=1, story="outage", speed=100) as town:
        wait_until(lambda: town.story.progress()["state"] == "done", 20)
        keys = Counter(
            p.extra["story"]
            for s in town.platforms.values()
            for p in s.posts.values()
            if not p.edited or p.platform != "x"
        )
        wanted = [e.key for e in Teller(1).outage() + Teller(2).quiet() if e.act == "post"]
        assert keys == Counter(wanted)


def test_pause_holds_the_story(tmp_path):
    with Town(seed=2, story="outage", speed=30) as town:
        control = town.urls["control"]
        assert requests.post(control + "/story/pause", json={"paused": True}, timeout=5).json()["state"] == "paused"
        held = wait_until(lambda: requests.get(control + "/story", timeout=5).json())["next"]
        time.sleep(0.3)  # the thing under test is that nothing happens
        assert requests.get(control + "/story", timeout=5).json()["next"] <= held + 1
        requests.post(control + "/story/pause", json={"paused": False}, timeout=5)
        wait_until(lambda: requests.get(control + "/story", timeout=5).json()["next"] > held + 20)


def test_the_whole_story_can_be_read(tmp_path):
    """At the end every match is found by a reader who asks X for everything, and the truncated page is not counted."""
    with Town(seed=1, story="outage", speed=200) as town:
        wait_until(lambda: town.story.progress()["state"] == "done", 20)
        head = {"Authorization": f"Bearer {ACCOUNTS['x']['bearer']}"}
        params = {"query": 'northbank OR "north bank"', "max_results": 100}
        seen, token = [], None
        while True:
            try:
                data = requests.get(
                    town.urls["x"] + "/2/tweets/search/recent",
                    timeout=5,
                    headers=head,
                    params=params | ({"next_token": token} if token else {}),
                ).json()
            except requests.RequestException:
                continue  # the half page of the tale
            seen += [item.get("id", "malformed") for item in data["data"]]
            token = data["meta"].get("next_token")
            if not token:
                break
        assert seen.count("malformed") == 1
        assert len(seen) == len(set(seen)) > 100
        assert town.ledger.summary()["served"]["x"]["distinct"] == len(seen)


def test_the_control_door(tmp_path):
    town = Process(tmp_path)
    try:
        ids = town.control(
            "POST", "/posts", posts=[{"platform": "feeds", "text": "one"}, {"platform": "x", "text": "two"}]
        )
        assert len(ids["ids"]) == 2
        assert town.control("POST", "/edit", platform="x", id=ids["ids"][1], text="three")["id"] != ids["ids"][1]
        assert town.control("POST", "/delete", platform="feeds", id=ids["ids"][0])
        fault = town.control("POST", "/faults", platform="feeds", kind="status", status=503)["id"]
        assert requests.get(town.urls["feeds"] + "/news.rss", timeout=5).status_code == 503
        assert town.control("DELETE", f"/faults?id={fault}") == {"faults": []}
        assert requests.get(town.urls["feeds"] + "/news.rss", timeout=5).status_code == 200
        assert [r["status"] for r in town.control("GET", "/ledger/requests?platform=feeds")["requests"]] == [503, 200]
        assert town.control("GET", "/story") == {"name": None, "state": "none"}
        assert town.control("GET", "/nowhere")["status"] == 404
        assert town.control("POST", "/posts", platform="x")["status"] == 400
        assert town.control("POST", "/faults", platform="x", kind="gremlins")["status"] == 400
        assert town.control("GET", "/accounts") == ACCOUNTS
    finally:
        assert town.end() == 0


def test_ids_and_served_survive_a_restart(tmp_path):
    path = tmp_path / "town.sqlite"
    with Town(path) as town:
        first = town.post("feeds", "one")
        requests.get(town.urls["feeds"] + "/news.rss", timeout=5)
    with Town(path) as town:
        second = town.post("feeds", "two")
        requests.get(town.urls["feeds"] + "/news.rss", timeout=5)
        assert first != second
        assert {r["native_id"]: r["count"] for r in town.ledger.served("feeds")} == {first: 2, second: 1}


def test_usage_errors():
    bad = subprocess.run(
        [sys.executable, "-m", "town", "--ledger", os.devnull, "--option", "nothing=1"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert bad.returncode == 2
    with pytest.raises(ValueError, match="unknown option"):
        Town(options={"nothing": 1})


def test_preload_is_quick_to_take_and_to_serve():
    with Town(record_served=False) as town:
        began = time.process_time()
        ids = town.preload("x", [f"northbank post {i}" for i in range(20_000)])
        town.preload("reddit", [f"northbank post {i}" for i in range(20_000)])
        taken = time.process_time() - began
        head = {"Authorization": f"Bearer {ACCOUNTS['x']['bearer']}"}
        params = {"query": "northbank", "max_results": 100}
        seen, began, pages = [], time.process_time(), 0
        with requests.Session() as session:
            while pages < 50:
                page = session.get(
                    town.urls["x"] + "/2/tweets/search/recent", params=params, headers=head, timeout=5
                ).json()
                seen += [item["id"] for item in page["data"]]
                params["next_token"] = page["meta"]["next_token"]
                pages += 1
        assert seen == ids[:-5001:-1]
        print(f"taken {taken:.2f} s, {1000 * (time.process_time() - began) / pages:.2f} ms per page, client included")
        assert taken < 20


def test_a_taken_port_is_left_to_its_owner():
    with Town() as first:
        ports = {name: server.server_address[1] for name, server in first.servers.items()}
        with Town(ports=ports) as second:
            assert not set(first.urls.values()) & set(second.urls.values())
        assert requests.get(first.urls["feeds"] + "/news.rss", timeout=5).status_code == 200
    with Town(ports=ports) as third:
        assert third.urls == {**first.urls}
