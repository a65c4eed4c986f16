"""What messaging services push, as neutral interactions: WhatsApp Cloud, Messenger, Instagram, Twilio. Pure: payload in, items out.

The items are those of POST /api/v1/interactions. What is no message of a customer (receipts, echoes) yields nothing.
https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples
https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages
https://www.twilio.com/docs/messaging/guides/webhook-request · https://www.twilio.com/docs/voice/twiml#request-parameters
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

PRESETS = ("generic", "whatsapp", "messenger", "instagram", "twilio_sms", "twilio_voice")
FORMS = frozenset({"twilio_sms", "twilio_voice"})  # they post forms, not JSON


def items(preset: str, told: Any, now: datetime) -> list[dict[str, Any]]:
    """The interactions in one delivery. Raises ValueError for a shape its documentation does not know."""
    try:
        return list(_READERS[preset](told, now))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"not a delivery as {preset} documents it ({type(error).__name__}: {str(error)[:80]})"
        ) from None


def _generic(told: Any, now: datetime) -> Iterator[dict[str, Any]]:
    """One interaction, a list of them, or {"interactions": [...]}."""
    found = told.get("interactions", [told]) if isinstance(told, dict) else told
    for item in found:
        if not isinstance(item, dict):
            raise ValueError("each interaction is a JSON object")
        yield dict(item)


def _whatsapp(told: Any, now: datetime) -> Iterator[dict[str, Any]]:
    for entry in told["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            names = {
                contact["wa_id"]: contact.get("profile", {}).get("name", "") for contact in value.get("contacts", [])
            }
            for message in value.get("messages", []):
                yield {
                    "external_id": message["id"],
                    "kind": "whatsapp",
                    "happened_at": _seconds(message["timestamp"]),
                    "phone": f"+{message['from']}",
                    "name": names.get(message["from"], ""),
                    "body": _whatsapp_text(message),
                    "conversation": message["from"],
                    "data": {"type": message["type"], "to": value.get("metadata", {}).get("display_phone_number", "")},
                }


def _whatsapp_text(message: Mapping[str, Any]) -> str:
    kind = message["type"]
    inner = message.get(kind, {})
    if kind == "text":
        return str(inner["body"])
    if kind == "button":
        return str(inner.get("text", ""))
    if kind == "interactive":
        reply = inner.get(inner.get("type", ""), {})
        return str(reply.get("title", ""))
    return str(inner.get("caption", "")) if isinstance(inner, dict) else ""


def _page(platform: str) -> Any:
    def read(told: Any, now: datetime) -> Iterator[dict[str, Any]]:
        for entry in told["entry"]:
            for event in entry.get("messaging", []):
                message = event.get("message")
                if not message or message.get("is_echo") or message.get("is_deleted"):
                    continue
                yield {
                    "external_id": message["mid"],
                    "kind": "message",
                    "happened_at": _seconds(int(event["timestamp"]) / 1000),
                    "platform": platform,
                    "handle": event["sender"]["id"],
                    "body": str(message.get("text", "")),
                    "conversation": event["sender"]["id"],
                    "data": {"to": event["recipient"]["id"], "attachments": len(message.get("attachments", []))},
                }

    return read


def _twilio_sms(told: Any, now: datetime) -> Iterator[dict[str, Any]]:
    sender = told["From"]
    yield {
        "external_id": told["MessageSid"],
        "kind": "whatsapp" if sender.startswith("whatsapp:") else "sms",
        "happened_at": now.isoformat(),  # Twilio sends no time of a message
        "phone": sender.removeprefix("whatsapp:"),
        "name": told.get("ProfileName", ""),
        "body": told["Body"],
        "conversation": sender,
        "data": {"to": told["To"], "media": int(told.get("NumMedia") or 0), "place": told.get("FromCity", "")},
    }


def _twilio_voice(told: Any, now: datetime) -> Iterator[dict[str, Any]]:
    """The call, when it begins, and once more when it has ended (a status callback), each under its own id."""
    outgoing = told["Direction"].startswith("outbound")
    ended = told["CallStatus"] in ("completed", "busy", "failed", "no-answer", "canceled")
    yield {
        "external_id": told["CallSid"] + (":ended" if ended else ""),
        "kind": "call_ended" if ended else "call",
        "happened_at": _told_time(told.get("Timestamp"), now),
        "direction": "out" if outgoing else "in",
        "phone": told["To"] if outgoing else told["From"],
        "name": told.get("CallerName", ""),
        "subject": told["CallStatus"],
        "conversation": told["CallSid"],
        "data": {"seconds": int(told.get("CallDuration") or 0), "place": told.get("FromCity", "")},
    }


def _told_time(raw: str | None, now: datetime) -> str:
    """`Tue, 31 Aug 2010 20:36:28 +0000` of a status callback; without one, now."""
    if not raw:
        return now.isoformat()
    return datetime.strptime(raw, "%a, %d %b %Y %H:%M:%S %z").isoformat()


def _seconds(value: Any) -> str:
    return datetime.fromtimestamp(float(value), UTC).isoformat()


_READERS = {
    "generic": _generic,
    "whatsapp": _whatsapp,
    "messenger": _page("messenger"),
    "instagram": _page("instagram"),
    "twilio_sms": _twilio_sms,
    "twilio_voice": _twilio_voice,
}
