"""The models as JSON Schema for editors. Draft 7: yaml-language-server promises no later one."""

from copy import deepcopy
from typing import Any

from config.models import Channel, Config, Target
from config.shapes import kinds, module

_REF = "#/definitions/{model}"
_HELP = {
    "Topic": {
        "name": "The name other sections use.",
        "label": "What people read on the page.",
        "query": 'What a mention must say, in the language of docs/queries.md: card OR "bank account" NOT jobs.',
        "any": "A mention has at least one of these words or phrases. @handle and #tag count as words; case does not matter.",
        "all": "A mention has all of these.",
        "none": "A mention has none of these.",
    },
    "Account": {
        "platform": "The platform, as its connector names it.",
        "handle": "The account's name there.",
        "native_id": "The account's id there; it stays when the name changes.",
    },
    "Intent": {
        "name": "The name rules use.",
        "words": "Words and phrases that betray it.",
        "weight": "What one hit adds; the intent with the most wins.",
    },
    "Rule": {
        "name": "The name receipts give.",
        "when": "The conditions; all that are given must hold.",
        "then": "What is decided.",
        "why": "The reason people read on a ticket.",
    },
    "When": {
        "sentiment": "One of negative, neutral, positive, unscored.",
        "intent": "One of these intents.",
        "topic": "One of these topics.",
        "platform": "On one of these platforms.",
        "language": "In one of these languages (codes such as en).",
        "words": "One of these words or phrases.",
        "customer": "The author is a known or an unknown customer, or a vip.",
        "tier": "The customer has one of these tiers.",
        "need_at_least": "How likely somebody has to act (0 to 1) is at least this.",
        "need_at_most": "How likely somebody has to act is at most this.",
        "urgency_at_least": "How likely it cannot wait (0 to 1) is at least this.",
        "confidence_at_least": "The intent leads by at least this (0 to 1).",
        "compound_at_most": "The score (-1 to 1) is at most this.",
        "compound_at_least": "The score is at least this.",
        "rating_at_most": "A review with at most this many stars.",
        "rating_at_least": "A review with at least this many stars.",
        "followers_at_least": "The author has at least this many followers.",
        "followers_at_most": "The author has at most this many followers.",
        "open_tickets_at_least": "The customer has at least this many open tickets.",
        "tickets_at_least": "The customer had at least this many tickets within 30 days.",
        "age_at_most": "Hours from the post to our first sight of it, at most.",
        "age_at_least": "Hours from the post to our first sight of it, at least.",
    },
    "Then": {
        "outcome": "ticket opens one (or adds to an open one), review asks a person, ignore files it with its reason.",
        "priority": "low, normal, high or urgent; sets the service level.",
        "team": "Who works on it; empty: by the teams' examples, else default_team.",
        "tags": "Words put on the ticket.",
        "first": "Minutes to the first answer, instead of the service level's.",
        "resolve": "Minutes to the resolution, instead of the service level's.",
    },
    "ServiceLevel": {
        "priority": "Which tickets.",
        "first": "Minutes to the first answer.",
        "next": "Minutes to each later answer; 0: as the first.",
        "team": "Only for this team's tickets; empty: for teams without a line of their own.",
        "calendar": "The hours that count; empty: around the clock.",
        "resolve": "Minutes to the resolution.",
    },
    "Paging": {
        "routes": "Which flags go where; the first that fits decides. Empty: each rule's own alerts.",
        "quiet": "When nobody is woken, and by what all the same.",
        "cool_down": "Minutes in which a rule and series page once, unless it grew more severe.",
        "digest_below": "Severities below this wait for the digest.",
        "digest_at": "The time of day of the digest, in the quiet hours' time zone.",
    },
    "PageRoute": {
        "alerts": "Which alerts are told.",
        "topics": "Only flags of these topics; empty: all.",
        "kinds": "Only spike, share, silence, drift or mention; empty: all.",
        "severity": "Only flags at least so severe (1 to 10).",
        "hours": "Only in these hours, such as 08:00-18:00; empty: always.",
        "timezone": "The zone the hours are read in.",
        "then": "Who is told when nobody acknowledged.",
        "after": "Minutes until then.",
    },
    "Quiet": {
        "hours": "Such as 22:00-07:00; empty: none.",
        "timezone": "The zone the hours are read in.",
        "kinds": "Kinds of flags that are told all the same.",
        "signals": "Signals of a single mention that are told all the same.",
        "severity": "So severe is told all the same.",
    },
    "SpikeRule": {
        "name": "The name flags give.",
        "topics": "Which topics it watches; empty: all.",
        "kind": "spike, share, silence or drift of a series; mention: one mention that must not wait.",
        "measure": "negative counts negative mentions, all every one, authors people (once a day), reach mentions by their followers.",
        "intents": "Watch negative mentions of these intents alone, a series each; `*` every intent.",
        "platforms": "true watches each platform of a topic for itself as well.",
        "floor": "Fewer mentions than this in a window never flag.",
        "authors": "Fewer people than this behind a window never flag.",
        "share": "Negative share (0 to 1) at which kind share flags.",
        "silence": "Kind silence: how many times the longest usual pause.",
        "signals": "Kind mention: what must not wait.",
        "followers": "Kind mention: followers that are reach.",
        "threshold": "Score (0 to 1) at which a flag opens; it closes below half of it.",
        "alerts": "Which alert routes are told.",
    },
}


def schema() -> dict[str, Any]:
    """One schema for every file: any section may stand in any of them."""
    root = Config.model_json_schema(ref_template=_REF)
    definitions = root.pop("$defs")
    for name, helps in _HELP.items():
        for key, text in helps.items():
            definitions[name]["properties"][key]["description"] = text
    for section, ours in (("channels", Channel), ("desks", Target), ("alerts", Target)):
        root["properties"][section]["items"] = _connected(section, definitions, definitions[ours.__name__])
    for name in ("Channel", "Target"):
        del definitions[name]
    for part in (root, *definitions.values()):
        _without_titles(part)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Earmark configuration",
        "description": "Everything an operator decides. Sections may be spread over any number of files in the folder.",
        "type": "object",
        "additionalProperties": False,
        "properties": root["properties"],
        "definitions": dict(sorted(definitions.items())),
    }


def connectors_of(section: str) -> dict[str, Any]:
    """Kind to module, for every connector that can be loaded."""
    modules = {}
    for kind in kinds(section):
        try:
            modules[kind] = module(section, kind)
        except Exception:  # noqa: S112 - another's broken module must not take the schema of the others away
            continue
    return modules


def _connected(section: str, definitions: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """An entry whose further keys depend on its kind: if this kind, then these."""
    modules = connectors_of(section)
    cases = []
    for kind, found in modules.items():
        theirs = found.Settings.model_json_schema(ref_template=f"#/definitions/{section}.{kind}.{{model}}")
        for name, part in theirs.pop("$defs", {}).items():
            definitions[f"{section}.{kind}.{name}"] = part
        merged = deepcopy(ours)
        merged["properties"].pop("settings")
        if section == "alerts":
            merged["properties"].pop("when")
        merged["properties"]["kind"] = {"const": kind, "description": "The connector."}
        merged["properties"] |= theirs.get("properties", {})
        merged["required"] = ["name", "kind", *theirs.get("required", [])]
        merged["description"] = (found.Settings.__doc__ or "").strip()
        definitions[f"{section}.{kind}"] = merged
        cases.append(
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/definitions/{section}.{kind}"},
            }
        )
    return {
        "type": "object",
        "required": ["name", "kind"],
        "properties": {"kind": {"enum": list(modules), "description": "The connector."}},
        "allOf": cases,
    }


def _without_titles(part: Any) -> None:
    """Pydantic's titles repeat the key; editors show them in place of the description."""
    if isinstance(part, dict):
        if isinstance(part.get("title"), str):
            del part["title"]
        for child in part.values():
            _without_titles(child)
    elif isinstance(part, list):
        for child in part:
            _without_titles(child)
