"""The webhook receiver: signatures made here from the Standard Webhooks text, not by our own sender."""

import base64
import hashlib
import hmac
import time

import pytest
import requests

from town.accounts import ACCOUNTS
from town.server import Town


@pytest.fixture
def town():
    with Town() as town:
        yield town


def send(town, body=b'{"type":"ticket.created"}', *, ident="msg_1", at=None, secret=None, signed=None):
    at = str(int(time.time() if at is None else at))
    key = base64.b64decode((secret or ACCOUNTS["webhook"]["secret"]).removeprefix("whsec_"))
    text = f"{ident}.{at}.".encode() + (signed or body)
    mark = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    headers = {"webhook-id": ident, "webhook-timestamp": at, "webhook-signature": f"v1,b2xk {mark}"}
    return requests.post(town.urls["webhook"], data=body, headers=headers, timeout=5).status_code


def test_a_signed_delivery_is_kept_and_a_second_one_is_seen(town):
    assert [send(town), send(town), send(town, ident="msg_2")] == [204, 204, 204]
    assert town.ledger.summary()["desks"]["webhook"] == {"deliveries": 3, "distinct": 2, "refused": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": 1_700_000_000},
        {"at": 4_000_000_000},
        {"signed": b"another body"},
        {"secret": "whsec_" + base64.b64encode(b"x" * 32).decode()},
    ],
)
def test_refuses(town, wrong):
    assert send(town, **wrong) == 401
    assert town.ledger.summary()["desks"]["webhook"]["refused"] == 1


def test_refuses_without_headers_and_other_methods(town):
    assert requests.post(town.urls["webhook"], data=b"{}", timeout=5).status_code == 401
    assert requests.get(town.urls["webhook"], timeout=5).status_code == 405


def test_the_spec_example_verifies(monkeypatch):
    """The example of the standardwebhooks reference libraries' tests."""
    from town import webhook

    monkeypatch.setattr(webhook, "TOLERANCE", 10**10)
    with Town() as town:
        town.accounts = {"webhook": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        body = b'{"test": 2432232314}'
        assert requests.post(town.urls["webhook"], data=body, headers=headers, timeout=5).status_code == 204
