"""Many tickets at once: what one refuses keeps no other, the undo takes back what still holds and loses nothing that came after."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from storage import casework, users
from storage.casework import Change
from storage.ledger import Ledger
from tests import web


@pytest.fixture(scope="module")
def ids(database_url: str) -> dict[str, int]:
    return web.people(database_url)


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(database_url: str, ids: dict[str, int]) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture
def agent(ledger: Ledger, address: str, ids: dict[str, int]) -> Iterator[httpx2.Client]:
    with web.enter(ledger, address, ids["agent"]) as client:
        yield client


def make(ledger: Ledger, *names: str) -> list[int]:
    return [
        web.ticket(ledger, web.mention(ledger, name, f"declined {name}"), name, f"reddit|x|{name}", author=name)
        for name in names
    ]


def state(ledger: Ledger, number: int) -> tuple[str, str, int | None, list[str]]:
    with ledger.begin() as connection:
        row = connection.exec_driver_sql(
            "SELECT status, priority, assignee_id, tags FROM tickets WHERE number = %s", (number,)
        ).one()
    return tuple(row)  # type: ignore[return-value]


def ticks(client: httpx2.Client, numbers: list[int], address: str = "view=all&sort=newest") -> list[str]:
    """What the list offers to tick for these tickets: number and version, as a browser would send them."""
    page = client.get(f"/inbox?{address}").text
    found = dict(re.findall(r'name="ticket" value="((\d+):\d+)"', page))
    return [value for value, number in found.items() if int(number) in numbers]


def bulk(client: httpx2.Client, numbers: list[int], **change: str) -> httpx2.Response:
    form = {"ticket": ticks(client, numbers), "address": "view=all&sort=newest", **change}
    return client.post("/inbox/bulk", data=form)


def act_of(answer: httpx2.Response) -> str:
    found = re.search(r"act=(\d+)", answer.headers["location"])
    assert found
    return found[1]


def test_one_change_to_many_and_the_undo_puts_each_back(
    agent: httpx2.Client, ledger: Ledger, ids: dict[str, int]
) -> None:
    numbers = make(ledger, "b1", "b2", "b3")
    before = [state(ledger, n) for n in numbers]
    answer = bulk(agent, numbers, status="pending", priority="urgent", assignee="me", tag="Outage, cards")
    assert answer.status_code == 303, answer.text
    assert [state(ledger, n) for n in numbers] == [("pending", "urgent", ids["agent"], ["cards", "outage"])] * 3
    shown = agent.get(answer.headers["location"]).text
    assert "3 tickets changed." in shown
    assert f'action="/undo/{act_of(answer)}"' in shown
    undone = agent.post(f"/undo/{act_of(answer)}", data={"address": "view=all"})
    assert undone.status_code == 303, undone.text
    assert [state(ledger, n) for n in numbers] == before
    assert agent.post(f"/undo/{act_of(answer)}", data={"address": ""}).status_code == 409  # once


def test_no_change_and_nobody_are_two_things(agent: httpx2.Client, ledger: Ledger) -> None:
    numbers = make(ledger, "n1", "n2")
    bulk(agent, numbers, assignee="me")
    bulk(agent, numbers, priority="high", assignee="")
    assert all(state(ledger, n)[2] is not None for n in numbers)
    bulk(agent, numbers, assignee="nobody")
    assert all(state(ledger, n)[2] is None for n in numbers)


def test_what_one_refuses_keeps_no_other(agent: httpx2.Client, ledger: Ledger, ids: dict[str, int]) -> None:
    numbers = make(ledger, "r1", "r2", "r3")
    form = {"ticket": ticks(agent, numbers), "address": "view=all", "status": "resolved"}
    with ledger.begin() as connection:  # something arrives on the second after the list was read
        admin = users.by_email(connection, "admin@example.org")
        assert admin
        casework.note(connection, admin, numbers[1], "wait with this one")
    answer = agent.post("/inbox/bulk", data=form)
    assert answer.status_code == 409
    assert "2 changed, 1 refused" in answer.text
    assert f"#{numbers[1]}: " in answer.text
    assert [state(ledger, n)[0] for n in numbers] == ["resolved", "new", "resolved"]


def test_the_undo_keeps_what_came_after(agent: httpx2.Client, ledger: Ledger) -> None:
    numbers = make(ledger, "u1", "u2")
    answer = bulk(agent, numbers, priority="urgent")
    with ledger.begin() as connection:
        admin = users.by_email(connection, "admin@example.org")
        assert admin
        casework.change(connection, admin, numbers[0], Change(priority="low"))
        casework.note(connection, admin, numbers[1], "a note after it")
    undone = agent.post(f"/undo/{act_of(answer)}", data={"address": ""})
    assert undone.status_code == 409
    assert "1 taken back, 1 not" in undone.text
    assert [state(ledger, n)[1] for n in numbers] == ["low", "normal"]
    assert web.value(ledger, "SELECT count(*) FROM entries WHERE body = 'a note after it'") == 1


def test_another_persons_act_is_not_mine_to_take_back(
    agent: httpx2.Client, ledger: Ledger, address: str, ids: dict[str, int]
) -> None:
    numbers = make(ledger, "o1")
    act = act_of(bulk(agent, numbers, priority="high"))
    with web.enter(ledger, address, ids["lead"]) as lead:
        assert lead.post(f"/undo/{act}", data={"address": ""}).status_code == 409
    assert state(ledger, numbers[0])[1] == "high"


def test_all_that_match_is_what_the_filter_holds(agent: httpx2.Client, ledger: Ledger) -> None:
    numbers = make(ledger, *(f"all{n}" for n in range(33)))
    web.value(ledger, "UPDATE tickets SET topic = 'southbank' WHERE number = ANY(:n) RETURNING 1", n=numbers)
    answer = agent.post("/inbox/bulk", data={"all": "true", "address": "topic=southbank", "tag": "swept"})
    assert answer.status_code == 303, answer.text
    assert web.value(ledger, "SELECT count(*) FROM tickets WHERE 'swept' = ANY(tags)") == 33


def test_a_snooze_leaves_the_list_and_its_own_view_counts_it(agent: httpx2.Client, ledger: Ledger) -> None:
    numbers = make(ledger, "z1", "z2")
    answer = bulk(agent, numbers, snooze="1h")
    assert answer.status_code == 303, answer.text
    assert ticks(agent, numbers, "sort=newest") == []
    assert len(ticks(agent, numbers, "view=snoozed")) == 2
    agent.post(f"/undo/{act_of(answer)}", data={"address": ""})
    assert len(ticks(agent, numbers, "sort=newest")) == 2


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"ticket": "x"}, 422),
        ({"assignee": "2; DROP"}, 422),
        ({"snooze": "never"}, 422),
        ({}, 409),
        ({"csrf2": "1"}, 422),
    ],
)
def test_broken_forms_are_refused(agent: httpx2.Client, form: dict[str, str], status: int) -> None:
    assert agent.post("/inbox/bulk", data=form).status_code == status
