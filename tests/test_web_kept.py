"""What is kept is shown at once and made anew beside; only a first asker waits, and an error keeps what there was."""

import threading
from concurrent.futures import ThreadPoolExecutor

from console.web.kept import MOST, Kept
from tests.support import wait_until


def test_only_the_first_asker_waits() -> None:
    kept: Kept[int] = Kept(60)
    going, made = threading.Event(), []

    def make() -> int:
        made.append(1)
        assert going.wait(10)
        return len(made)

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(kept.get, "k", make) for _ in range(4)]
        wait_until(lambda: made)
        going.set()
        assert [one.result()[0] for one in asked] == [1] * 4
    assert kept.get("k", make)[0] == 1


def test_what_is_old_is_shown_while_it_is_made_anew_once() -> None:
    kept: Kept[str] = Kept(-1)  # old as soon as it is made
    going, made = threading.Event(), []
    assert kept.get("k", lambda: "first")[0] == "first"

    def make() -> str:
        made.append(1)
        assert going.wait(10)
        return "second"

    assert [kept.get("k", make)[0] for _ in range(3)] == ["first"] * 3
    wait_until(lambda: made)
    going.set()
    wait_until(lambda: kept.get("k", lambda: "third")[0] != "first")
    assert len(made) == 1, "one thread makes it"


def test_an_error_keeps_what_there_was_and_the_next_asker_tries_again() -> None:
    kept: Kept[str] = Kept(-1)
    kept.get("k", lambda: "good")
    failed = threading.Event()

    def fail() -> str:
        failed.set()
        raise OSError("away")

    assert kept.get("k", fail)[0] == "good"
    assert failed.wait(10)
    wait_until(lambda: kept.get("k", lambda: "better")[0] == "better")


def test_the_oldest_goes() -> None:
    kept: Kept[int] = Kept(60)
    for n in range(MOST + 1):
        kept.get(n, lambda n=n: n)
    assert kept.get(0, lambda: -1)[0] == -1
    assert kept.get(MOST, lambda: -1)[0] == MOST
