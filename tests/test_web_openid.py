"""Logging in through an OpenID provider: who comes in, as what, and everything a provider or a stranger may get wrong."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from config.models import Config
from storage import configurations, users
from storage.ledger import Ledger
from tests import web
from town.http import PlatformServer
from town.oidc import Oidc
from town.server import Town

BACK = "http://console.invalid/login/openid/done"


@pytest.fixture(scope="module")
def provider() -> Iterator[Oidc]:
    with Town() as town:
        stand = Oidc(town)
        stand.returns.add(BACK)
        server = PlatformServer(town, stand, 0)
        server.start()
        stand.address = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
        yield stand
        server.stop()


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    web.people(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    with web.serve(web.make_app(database_url)) as found:
        yield found


@pytest.fixture
def door(address: str, provider: Oidc, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx2.Client]:
    monkeypatch.setenv("OIDC_SECRET", Oidc.client[1])
    provider.lies.clear()
    configure(ledger, provider)
    with httpx2.Client(base_url=address, follow_redirects=False) as client:
        yield client


def configure(ledger: Ledger, provider: Oidc, passwords: bool = True, **more: object) -> None:
    openid = {
        "issuer": provider.address,  # type: ignore[attr-defined]
        "client_id": Oidc.client[0],
        "client_secret_env": "OIDC_SECRET",
        "roles": {"cx-leads": "lead", "cx": "agent"},
        **more,
    }
    made = Config.model_validate(
        {"settings": {"allow_hosts": ["127.0.0.1"], "login": {"passwords": passwords, "openid": openid}}}
    )
    with ledger.begin() as connection:
        configurations.accept(connection, made.hash, made.document())


def there(client: httpx2.Client, sub: str, next: str = "/review") -> str:
    """Leave for the provider and say who we are; the address it leads back to."""
    left = client.get("/login/openid", params={"next": next})
    assert left.status_code == 303, left.text
    page = httpx2.get(left.headers["location"])
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'name="([\w]+)" value="([^"]*)">', page.text.split("<button")[0]))
    parts = urlsplit(left.headers["location"])
    answer = httpx2.post(f"{parts.scheme}://{parts.netloc}/authorize", data={**fields, "sub": sub})
    return str(answer.headers["location"])


def back(client: httpx2.Client, place: str) -> httpx2.Response:
    parts = urlsplit(place)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == BACK
    return client.get(f"{parts.path}?{parts.query}")


def come_in(client: httpx2.Client, sub: str) -> httpx2.Response:
    return back(client, there(client, sub))


def role(ledger: Ledger, email: str) -> str | None:
    with ledger.begin() as connection:
        found = users.by_email(connection, email)
    return found.role if found else None


def test_the_first_login_makes_the_user_its_groups_allow(door: httpx2.Client, ledger: Ledger) -> None:
    assert "/login/openid" in door.get("/login").text
    answer = come_in(door, "u-ann")
    assert (answer.status_code, answer.headers["location"]) == (303, "/review")
    assert door.get("/status").status_code == 200  # a lead may
    assert role(ledger, "ann@northbank.example") == "lead"


def test_a_role_taken_away_there_is_gone_at_the_next_login(door: httpx2.Client, provider: Oidc, ledger: Ledger) -> None:
    assert come_in(door, "u-bob").status_code == 303
    assert role(ledger, "bob@northbank.example") == "agent"
    provider.people["u-bob"].groups = ["cx-leads"]
    assert come_in(door, "u-bob").status_code == 303
    assert role(ledger, "bob@northbank.example") == "lead"
    provider.people["u-bob"].groups = []
    answer = come_in(door, "u-bob")
    assert (answer.status_code, "None of your groups" in answer.text) == (403, True)
    provider.people["u-bob"].groups = ["cx"]


def test_a_user_of_the_same_verified_address_is_that_person(
    door: httpx2.Client, provider: Oidc, ledger: Ledger
) -> None:
    provider.people["u-agent"] = type(provider.people["u-ann"])("agent@example.org", "Agent", ["cx"])
    assert come_in(door, "u-agent").status_code == 303
    assert web.value(ledger, "SELECT count(*) FROM users WHERE email = 'agent@example.org'") == 1
    provider.people["u-agent"].email = "renamed@example.org"  # the subject stays who it was
    assert come_in(door, "u-agent").status_code == 303
    assert web.value(ledger, "SELECT count(*) FROM users WHERE email = 'renamed@example.org'") == 0


@pytest.mark.parametrize("sub", ["u-eve", "u-mal"])
def test_strangers_stay_outside(door: httpx2.Client, ledger: Ledger, sub: str) -> None:
    before = web.value(ledger, "SELECT count(*) FROM users")
    answer = come_in(door, sub)
    assert answer.status_code == 403
    assert "earmark=" not in answer.headers.get("set-cookie", "")
    assert web.value(ledger, "SELECT count(*) FROM users") == before


def test_somebody_switched_off_stays_outside(door: httpx2.Client, provider: Oidc, ledger: Ledger) -> None:
    provider.people["u-off"] = type(provider.people["u-ann"])("off@northbank.example", "Off", ["cx"])
    assert come_in(door, "u-off").status_code == 303
    with ledger.begin() as connection:
        found = users.by_email(connection, "off@northbank.example")
        assert found
        users.disable(connection, found.id)
    assert "switched off" in come_in(door, "u-off").text


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"},
        {"aud": "another-client"},
        {"iss": "http://127.0.0.1:1"},
        {"exp": 1},
        {"iat": 99_999_999_999},
        {"azp": "another-client", "aud": ["town-earmark", "another-client"]},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_token_for_another_purpose_opens_nothing(door: httpx2.Client, provider: Oidc, lie: dict[str, object]) -> None:
    provider.lies.update(lie)
    answer = come_in(door, "u-ann")
    assert answer.status_code == 403
    assert door.get("/inbox").status_code == 303


def test_a_login_begun_elsewhere_is_refused(door: httpx2.Client, address: str) -> None:
    place = there(door, "u-ann")
    with httpx2.Client(base_url=address, follow_redirects=False) as victim:
        assert back(victim, place).status_code == 403  # login CSRF: the attacker's code in another's browser
        there(victim, "u-ann")
        assert back(victim, place).status_code == 403
    changed = door.cookies["earmark-openid"][:-2] + "00"
    door.cookies.delete("earmark-openid")
    door.cookies.set("earmark-openid", changed)
    assert back(door, place).status_code == 403


def test_a_code_counts_once(door: httpx2.Client) -> None:
    cookie_place = there(door, "u-ann")
    kept = door.cookies["earmark-openid"]
    assert back(door, cookie_place).status_code == 303
    door.cookies.set("earmark-openid", kept)
    assert back(door, cookie_place).status_code == 403


def test_a_changed_key_is_fetched_anew_and_a_false_one_refused(door: httpx2.Client, provider: Oidc) -> None:
    assert come_in(door, "u-ann").status_code == 303
    provider.turn_key()
    assert come_in(door, "u-ann").status_code == 303
    told, provider.key = provider.key, type(provider.key).generate_key(2048, parameters={"kid": provider.key.kid})
    provider._keys = lambda request, issuer: __import__("town.http").http.answer(
        {"keys": [told.as_dict(private=False)]}
    )  # type: ignore[method-assign]
    assert come_in(door, "u-ann").status_code == 403
    provider.key = told


def test_without_passwords_the_form_is_gone_and_refuses(door: httpx2.Client, provider: Oidc, ledger: Ledger) -> None:
    configure(ledger, provider, passwords=False)
    assert 'type="password"' not in door.get("/login").text
    proof = door.cookies["earmark-login"]
    answer = door.post("/login", data={"email": "lead@example.org", "password": web.PASSWORD, "proof": proof})
    assert answer.status_code == 403
    assert come_in(door, "u-ann").status_code == 303


def test_a_provider_that_does_not_answer_is_said(door: httpx2.Client, provider: Oidc, ledger: Ledger) -> None:
    configure(ledger, provider, issuer="http://127.0.0.1:9")
    answer = door.get("/login/openid")
    assert (answer.status_code, "does not answer" in answer.text) == (502, True)


def test_somebody_sent_to_another_site_after_login_is_not(door: httpx2.Client) -> None:
    assert back(door, there(door, "u-ann", "https://evil.example/")).headers["location"] == "/inbox"
