"""Signatures against the examples their own documentation prints."""

from town.senders import signed


def test_standard_webhooks() -> None:
    """The reference libraries' fixed case: https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries"""
    made = signed(
        "generic",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        at=1614265330,
        ident="msg_p5jXN8AQM9LWM0D4loKWxJek",
    )
    assert made["webhook-signature"].split(" ")[1] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_github() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation"""
    made = signed("github", "It's a Secret to Everybody", b"Hello, World!", at=0)
    assert made["X-Hub-Signature-256"] == "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_slack() -> None:
    """The worked example of https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
        b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
        b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    made = signed("slack", "8f742231b10e8888abcd99yyyzzz85a5", body, at=1531420618)
    assert made["X-Slack-Signature"] == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_discourse() -> None:
    """spec/jobs/emit_web_hook_event_spec.rb of discourse/discourse: the ping."""
    made = signed("discourse", "my_lovely_secret_for_web_hook", b'{"ping":"OK"}', at=0)
    assert (
        made["X-Discourse-Event-Signature"] == "sha256=162f107f6b5022353274eb1a7197885cfd35744d8d08e5bcea025d309386b7d6"
    )
