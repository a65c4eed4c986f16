"""The schema as pages for people: docs/configuration.md, and the snippet of a new channel."""

import json
from typing import Any

from config.codes import CODES
from config.schema import connectors_of, schema

_INTRO = """# Configuration

Written by `earmark schema --markdown`; edit the models, not this page.

Earmark reads every `*.yaml` in its configuration folder. Sections may be spread over any number of files: lists follow
each other in the order of the file names, `settings` and `lexicon` join, and a single value stands once. Words stay as
they are written: `no`, `on`, `12:30` and `010` are texts wherever a text is asked for. Secrets stay in the environment: a key that ends in
`_env` names the variable `NAME`; `NAME_FILE` may hold the path of a file instead. `earmark check` says everything that is wrong at once.
"""
_COMPLAINTS = """What `earmark check` says has a number, which stays when the sentence gets better: in brackets in the text, as `code` in JSON, as
`ruleId` in SARIF. The word before it says whether it stands in the way (`error`) or not (`warning`)."""


def markdown() -> str:
    """The reference of every section and every connector's keys."""
    whole = schema()
    lines = [_INTRO]
    for name, part in whole["properties"].items():
        lines += [f"## {name}", "", part.get("description", ""), ""]
        if name in ("channels", "desks", "alerts"):
            lines += _connected(name, whole)
        else:
            lines += _section(part, whole)
    lines += ["## Complaints", "", _COMPLAINTS, "", "| number | is said of |", "|---|---|"]
    lines += [f"| `{code}` | {meaning} |" for code, meaning in CODES.items()]
    return "\n".join(lines).rstrip() + "\n"


def _section(part: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    inner = _resolved(part.get("items", part), whole)
    if "properties" not in inner:
        return [f"Takes {_takes(part, whole)}.", ""]
    lines = [*_paragraph(inner.get("description", "")), *_table(inner, whole)]
    for key, child in inner["properties"].items():
        below = _resolved(child, whole)
        if "properties" in below:
            lines += [f"`{key}` takes:", "", *_table(below, whole)]
    return lines


def _connected(name: str, whole: dict[str, Any]) -> list[str]:
    cases = [case["then"]["$ref"].rsplit("/", 1)[1] for case in whole["properties"][name]["items"]["allOf"]]
    parts = {case.split(".", 1)[1]: whole["definitions"][case] for case in cases}
    if not parts:
        return []
    common = [
        key
        for key in next(iter(parts.values()))["properties"]
        if all(key in part["properties"] for part in parts.values())
    ]
    ours = [
        key
        for key in common
        if key in ("name", "kind", "enabled", "topics", "every", "cron", "timezone", "max_pages", "when")
    ]
    first = next(iter(parts.values()))
    keys = {key: first["properties"][key] for key in ours} | {"kind": {"description": f"One of {', '.join(parts)}."}}
    shared = {"properties": keys, "required": ["name", "kind"]}
    lines = ["Every entry has these keys, and those of its kind beside them.", "", *_table(shared, whole)]
    if "when" in ours:
        lines += ["`when` takes:", "", *_table(_resolved(first["properties"]["when"], whole), whole)]
    for kind, part in parts.items():
        own = {
            "properties": {key: value for key, value in part["properties"].items() if key not in ours},
            "required": part["required"],
        }
        lines += [f"### {name}: {kind}", "", *_paragraph(part["description"]), *_table(own, whole)]
    return lines


def _paragraph(text: str) -> list[str]:
    return [*(line.strip() for line in text.strip().splitlines()), ""] if text.strip() else []


def _table(part: dict[str, Any], whole: dict[str, Any]) -> list[str]:
    if not part["properties"]:
        return ["No further keys.", ""]
    lines = ["| key | takes | default | |", "|---|---|---|---|"]
    for key, child in part["properties"].items():
        default = "required" if key in part.get("required", []) else _default(child.get("default"))
        cells = (f"`{key}`", _takes(child, whole), default, child.get("description", ""))
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _default(value: Any) -> str:
    return "" if value in (None, "", [], {}) else f"`{_written(value)}`"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _takes(part: dict[str, Any], whole: dict[str, Any]) -> str:
    part = _resolved(part, whole)
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_takes(one, whole) for one in part["anyOf"] if one.get("type") != "null"))
    if "const" in part or "enum" in part:
        return ", ".join(f"`{one}`" for one in part.get("enum", [part.get("const")]))
    kind = part.get("type")
    if kind == "array":
        inner = part.get("items") or {}
        return (
            "a list"
            if not inner or "properties" in _resolved(inner, whole)
            else f"a list of {_takes(inner, whole).removeprefix('a ')}"
        )
    names = {
        "string": "text",
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "object": "keys and values",
    }
    return names.get(str(kind), "text") + _bounds(part)


def _bounds(part: dict[str, Any]) -> str:
    low = part.get("minimum", part.get("exclusiveMinimum"))
    high = part.get("maximum", part.get("exclusiveMaximum"))
    return (
        f" ({'' if low is None else low} to {'' if high is None else high})".replace("( ", "(").replace(" )", " )")
        if (low is not None or high is not None)
        else ""
    )


def _resolved(part: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = part
    while "$ref" in found:
        found = whole["definitions"][found["$ref"].rsplit("/", 1)[1]]
    return found


def snippet(kind: str) -> str:
    """A channel of this kind with a comment per key; keys that may be left out are commented out."""
    module = connectors_of("channels")[kind]
    whole = schema()
    part = whole["definitions"][f"channels.{kind}"]
    first = (part["description"].splitlines() or [""])[0]
    lines = [
        f"# {first}" if first else f"# {kind}",
        "channels:",
        f"  - name: my-{kind.replace('_', '-')}",
        f"    kind: {kind}",
        "    every: 5m",
    ]
    fields = module.Settings.model_fields
    for key, info in ((info.alias or name, info) for name, info in fields.items()):
        child = part["properties"][key]
        if child.get("description"):
            lines += ["", f"    # {' '.join(child['description'].split())}"]
        value = json.dumps((info.examples or [_example(child, whole)])[0], ensure_ascii=False)
        if info.is_required():
            lines.append(f"    {key}: {value}")
        else:
            default = child.get("default")
            lines.append(f"    # {key}: {value if default is None else json.dumps(default, ensure_ascii=False)}")
    lines += ["", "    # Keys of every channel", "    # topics: []      # whose mentions it feeds; empty: all"]
    lines += [
        "    # enabled: true   # false keeps it here and does not poll it",
        "    # max_pages: 10   # pages per run",
    ]
    return "\n".join(lines) + "\n"


def _example(part: dict[str, Any], whole: dict[str, Any]) -> Any:
    part = _resolved(part, whole)
    if "anyOf" in part:
        part = next((one for one in part["anyOf"] if one.get("type") != "null"), part)
    if "enum" in part:
        return part["enum"][0]
    if part.get("type") == "array":
        return [_example(part.get("items") or {}, whole)]
    return {"integer": 1, "number": 1, "boolean": True, "object": {}}.get(str(part.get("type")), "CHANGE-ME")
