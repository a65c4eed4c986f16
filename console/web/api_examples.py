"""The OpenAPI description as programs read it: how to come in, an example of what is asked and answered, and what every answer carries."""

from typing import Any

from console.web.api_customers import InteractionGiven, Interactions
from console.web.scopes import SCOPES

TICKET = {
    "number": 1204, "subject": "Card declined abroad, twice", "status": "open", "priority": "high", "team": "cards", "topic": "northbank",
    "platform": "reddit", "sentiment": "negative", "tags": ["travel"], "customer_id": 77, "version": 4, "opened_at": "2026-11-21T08:12:00Z",
}  # fmt: skip
ASKED: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/tickets"): {"subject": "Caller waits for a new card", "text": "Lost it in Lisbon.", "customer": 77, "priority": "high"},
    ("patch", "/api/v1/tickets/{number}"): {"status": "pending", "priority": "normal"},
    ("post", "/api/v1/tickets/{number}/notes"): {"body": "Called back, waits for the courier."},
    ("post", "/api/v1/tickets/{number}/tags"): {"add": ["travel"], "remove": ["unsorted"]},
    ("post", "/api/v1/corrections"): {"mention": 9120, "outcome": "ticket", "sentiment": "negative"},
    ("post", "/api/v1/interactions"): {
        "external_id": "call-5512", "kind": "call", "happened_at": "2026-11-21T09:30:00Z", "phone": "+4915112345678", "subject": "Lost card",
    },
    ("post", "/api/v1/customers/{customer_id}/merge"): {"loser": 78, "take": ["email"]},
    ("post", "/api/v1/customers/{customer_id}/split"): {"identities": [301]},
    ("post", "/api/v1/customers/{customer_id}/identities"): {"kind": "email", "value": "ada@example.org"},
    ("post", "/api/v1/proposals/{proposal_id}"): {"accept": True},
}  # fmt: skip
ANSWERED: dict[tuple[str, str], Any] = {
    ("get", "/api/v1/tickets"): {"items": [TICKET], "next": "WzEyMDQsIjRmNTMiXQ"},
    ("post", "/api/v1/tickets"): {"number": 1205, "version": 1, "changed": True, "entry": None},
    ("patch", "/api/v1/tickets/{number}"): {"number": 1204, "version": 5, "changed": True, "entry": None},
}
TOO_MANY = {
    "type": "about:blank",
    "title": "Too fast",
    "status": 429,
    "detail": "The token makes at most 600 requests a minute.",
}
ABOUT = """Send a token as `Authorization: Bearer em_…` (`earmark tokens add`). Lists answer `items` and `next`: send it as `cursor` until it is null.
`fields` chooses columns. Answers to GET carry an `ETag`; with `If-None-Match` an unchanged one is 304. Writes take an `Idempotency-Key`: the same
key gets the same answer for a day. Errors are `application/problem+json` (RFC 9457). `RateLimit` says what is left of this minute."""


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The generated document with what generation cannot know."""
    document["info"]["description"] = ABOUT
    document["servers"] = [{"url": "/"}]
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["token"] = {"type": "http", "scheme": "bearer", "description": "An API token with the route's scope."}
    _interactions(document)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            operation["security"] = [
                {"token": [SCOPES[method.upper(), path]] if (method.upper(), path) in SCOPES else []}
            ]
            _headers(method, operation)
            _examples(method, path, operation)
    return document


def _headers(method: str, operation: dict[str, Any]) -> None:
    """Headers that are read before a route is: the key of a write, the tag of a read."""
    given = operation.setdefault("parameters", [])
    if method == "get":
        given.append(_header("If-None-Match", "The entity tag of the answer you have."))
        return
    given.append(
        _header("Idempotency-Key", "The same key gets the same answer for a day; with another request it is 422.")
    )
    given[-1]["schema"] |= {"maxLength": 255, "pattern": "^[ -~]*$"}
    if "412" in operation["responses"]:
        given.append(_header("If-Match", "The version or entity tag you read; 412 when it went on since."))


def _header(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}


def _examples(method: str, path: str, operation: dict[str, Any]) -> None:
    if (method, path) in ASKED:
        operation["requestBody"]["content"]["application/json"]["example"] = ASKED[method, path]
    for code, answer in operation["responses"].items():
        content = answer.get("content", {})
        if "application/problem+json" in content:  # problems are of one kind; the framework adds its own beside it
            content.pop("application/json", None)
            content["application/problem+json"]["schema"] = {"$ref": "#/components/schemas/Problem"}
        if code == "429":
            content["application/problem+json"]["example"] = TOO_MANY
            answer["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
        if (method, path) in ANSWERED and code in ("200", "201"):
            content["application/json"]["example"] = ANSWERED[method, path]


def _interactions(document: dict[str, Any]) -> None:
    """Their body is read item by item, so that an error names the item; the description says what an item is."""
    schemas = document["components"]["schemas"]
    for model in (InteractionGiven, Interactions):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    body = document["paths"]["/api/v1/interactions"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {
        "anyOf": [{"$ref": f"#/components/schemas/{m.__name__}"} for m in (InteractionGiven, Interactions)]
    }
