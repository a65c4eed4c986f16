"""Each entry against its model, one by one: a bad channel hides no complaint about the next one."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError

import connectors.inbound
import connectors.outbound
from config.book import Book
from config.complaints import is_secret, masked, nearest
from config.models import Channel, Config, Target
from config.source import Node

REGISTRIES = {"channels": connectors.inbound, "desks": connectors.outbound, "alerts": connectors.outbound}
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
_EXTRA = ("extra_forbidden", "unexpected_keyword_argument")
_MISSING = ("missing", "missing_argument")
_TYPED = ("type", "parsing", "finite", "instance", "exact", "attributes", "from_float")
_WANTED = {
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "frozenset": "a list",
    "dict": "keys and values",
    "model": "keys and values",
    "dataclass": "keys and values",
    "mapping": "keys and values",
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
}


Entries = dict[str, Any]


@cache
def kinds(section: str) -> tuple[str, ...]:
    """The kinds that a section's entries may have; found once, since asking for entry points reads every installed package."""
    return tuple(REGISTRIES[section].kinds())


@cache
def module(section: str, kind: str) -> Any:
    """A connector's module."""
    return REGISTRIES[section].load(kind)


def read(book: Book, vendors: bool) -> Entries:
    """Per section the entries that fit, each with its node; single sections as their value."""
    entries: Entries = {}
    for name, info in Config.model_fields.items():
        node = book.sections.get(name)
        if node is None:
            continue
        if get_origin(info.annotation) is not tuple:
            value = _fit(book, node, info.annotation, name)
            if value is not None:
                entries[name] = value
            continue
        if node.kind != "list":
            book.complain(node, "E204", f'"{name}" takes a list: begin each entry with "- "')
            continue
        kind = get_args(info.annotation)[0]
        found = ((item, _entry(book, item, kind, name, vendors)) for item in node.items)
        entries[name] = [(item, model) for item, model in found if model is not None]
    return entries


def _entry(book: Book, item: Node, kind: Any, section: str, vendors: bool) -> Any:
    if item.kind != "map":
        book.complain(item, "E204", f'an entry of "{section}" takes keys and values, such as "- name: …"')
        return None
    if kind in (Channel, Target):
        return _connected(book, item, kind, section, vendors)
    return _fit(book, item, kind, section)


def _connected(book: Book, item: Node, kind: Any, section: str, vendors: bool) -> Any:
    """A channel, desk or alert: our keys by our model, the rest by the connector's own."""
    own = set(kind.model_fields) - {"settings"}
    ours = _part(item, [pair for pair in item.pairs if pair[0].value in own])
    rest = _part(item, [pair for pair in item.pairs if pair[0].value not in own])
    model = _fit(book, ours, kind, section)
    settings = _settings(book, item, rest, section) if vendors else rest.plain()
    if model is None or settings is None:
        return None
    return model.model_copy(update={"settings": settings})


def _part(item: Node, pairs: list[tuple[Node, Node]]) -> Node:
    return Node("map", pairs=pairs, file=item.file, line=item.line, column=item.column, width=item.width)


def _settings(book: Book, item: Node, rest: Node, section: str) -> dict[str, Any] | None:
    kind = item.get("kind")
    if kind is None or not isinstance(kind.value, str):
        return None  # our own model has said so
    known = kinds(section)
    if kind.value not in known:
        word = "channel" if section == "channels" else section.removesuffix("s")
        book.complain(
            kind,
            "E206",
            f'unknown {word} kind "{kind.value[:60]}"; known: {", ".join(known)}',
            nearest(kind.value, known),
        )
        return None
    try:
        model = module(section, kind.value).Settings
    except Exception as error:  # another's module: it may fail in any way, and must not take the check down
        book.complain(kind, "E207", f'the connector "{kind.value}" cannot be loaded ({type(error).__name__}: {error})')
        return None
    rest.pairs = [_as_variable(key, value, model) for key, value in rest.pairs]
    ours = Channel if section == "channels" else Target
    fitted = _fit(book, rest, model, section, extra=set(ours.model_fields))
    if fitted is None:
        return None
    settings: dict[str, Any] = json.loads(fitted.model_dump_json(exclude_none=True, by_alias=True))
    return settings


def _as_variable(key: Node, value: Node, model: type[BaseModel]) -> tuple[Node, Node]:
    """An inline secret as the variable it should be: safety.py complains about it, the connector's model need not as well."""
    name = f"{key.value}_env"
    empty = value.kind == "scalar" and value.value is None
    if empty or not is_secret(key.value) or key.value in model.model_fields or name not in model.model_fields:
        return key, value
    return replace(key, value=name), replace(value, kind="scalar", value="INLINE", items=[], pairs=[])


def _fit(book: Book, node: Node, kind: Any, section: str, extra: set[str] | None = None) -> Any:
    adapter = _ADAPTERS.get(kind)
    _empty(book, node, kind, [], extra or set())
    try:
        if adapter is None:
            adapter = _ADAPTERS[kind] = TypeAdapter(kind)
        return adapter.validate_python(node.plain())
    except ValidationError as error:
        found = error.errors(include_url=False)
        mistyped = {
            nearest(str(one["loc"][-1]), _fields_at(kind, [])) for one in found if one["type"] in _EXTRA and one["loc"]
        }
        for one in found:
            if not (
                one["type"] in _MISSING and one["loc"] and one["loc"][-1] in mistyped
            ):  # said once, as the misspelt key
                _explain(book, node, kind, one, section, extra or set())
    except (
        Exception
    ) as error:  # a connector's own validator went wrong: its entry is refused, the rest is still checked
        book.complain(node, "E207", f"cannot be checked ({type(error).__name__})")
    return None


def _empty(book: Book, node: Node, kind: Any, trail: list[Any], extra: set[str]) -> None:
    """Keys without a value never reach the model, which leaves their defaults; an unknown one is unknown all the same."""
    empty = [key for key, value in node.pairs if value.kind == "scalar" and value.value is None]
    known = {*_fields_at(kind, trail), *(() if trail else extra)} - {"settings"} if empty else set()
    for key in empty:
        if known and key.value not in known:
            book.complain(key, "E202", f'unknown key "{key.value[:60]}"', nearest(key.value, known))
    for key, value in node.pairs:
        _empty(book, value, kind, [*trail, key.value], extra)
    for index, item in enumerate(node.items):
        _empty(book, item, kind, [*trail, index], extra)


def _explain(book: Book, root: Node, kind: Any, error: Any, section: str, extra: set[str]) -> None:
    """One pydantic error as a sentence, at the deepest node its location leads to (unions add steps that no file holds)."""
    node, parent, trail = root, root, []
    for step in error["loc"]:
        child = node.get(step)
        if child is not None:
            parent, node = node, child
            trail.append(step)
    last = error["loc"][-1] if error["loc"] else ""
    if error["type"] in _EXTRA:
        known = {*_fields_at(kind, trail[:-1]), *(extra if len(trail) <= 1 else ())} - {"settings"}
        place = parent.key(last) or node
        book.complain(place, "E202", f'unknown key "{str(last)[:60]}"', nearest(str(last), known))
        return
    if error["type"] in _MISSING:
        where = f' in this entry of "{section}"' if node is root else ""
        book.complain(node, "E203", f'"{last}" is missing{where}')
        return
    message, suggestion = _sentence(error, node)
    subject = trail[-1] if trail else section
    plain = not isinstance(subject, str) or message.startswith(f"{subject} ")
    book.complain(node, "E205", message if plain else f"{subject}: {message}", suggestion)


def _sentence(error: Any, node: Node) -> tuple[str, str]:
    kind, given = error["type"], error.get("input")
    said = f'"{masked(given)[:40]}"' if isinstance(given, str) else "this"
    context = error.get("ctx") or {}
    if kind in ("literal_error", "enum"):
        options = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "")
        return f"{said} is not one of {options}", nearest(str(given), options.split(", "))
    if kind == "value_error":
        return str(context.get("error", error["msg"])), ""
    if kind == "string_pattern_mismatch":
        return f"{said} does not fit {context.get('pattern')}", ""
    wanted = _WANTED.get(kind.split("_")[0])
    if wanted == "a list" and node.kind == "scalar" and node.value is not None:
        return f"takes a list: write [{str(node.value)[:40]}]", ""
    if wanted and any(part in kind for part in _TYPED):
        if node.kind == "scalar":
            return (
                f"takes {wanted}, not {said}" if node.value is not None else f"takes {wanted}; # and @ need quotes"
            ), ""
        return f"takes {wanted}", ""
    return error["msg"].replace("Input should be", "should be"), ""


def _fields_at(kind: Any, trail: list[Any]) -> Iterator[str]:
    """The keys that may stand at a place in a type: through lists, optionals, models and dataclasses."""
    for candidate in _candidates(kind):
        hints = _hints(candidate)
        if not trail:
            yield from hints
        elif trail[0] in hints:
            yield from _fields_at(hints[trail[0]], trail[1:])
        elif get_args(candidate) and get_origin(candidate) in (tuple, list, dict, set, frozenset):
            yield from _fields_at(get_args(candidate)[-1 if get_origin(candidate) is dict else 0], trail[1:])


def _candidates(kind: Any) -> list[Any]:
    if hasattr(kind, "__metadata__"):
        return _candidates(kind.__origin__)
    if get_origin(kind) in (tuple, list, dict, set, frozenset) or not get_args(kind):
        return [kind]
    return [found for part in get_args(kind) for found in _candidates(part)]


def _hints(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {info.alias or name: info.annotation for name, info in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return {one.name: hints[one.name] for one in fields(kind)}
    return {}
