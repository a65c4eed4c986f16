"""Filters that judge: JSON lines in, JSON lines out, in order; they store nothing and need no database.

A line that cannot be judged is answered by {"line", "id"?, "error"} in its place; the rest goes on, and the exit code is 1.
"""

import codecs
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from json import JSONDecodeError, JSONDecoder, JSONEncoder
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from console.cli.called import call
from console.cli.common import Folder, configured, fail
from domain.nouns import Author, Mention, Rating, Sentiment, Standing, Stored
from domain.query import matching
from domain.text import clean, plain

app = typer.Typer(
    name="earmark",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Source = Annotated[str, typer.Argument(help="A file of JSON lines; - reads standard input.")]
Always = Annotated[bool, typer.Option("--json", help="JSON lines, as always.")]
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
CHUNK = 1 << 18
LONGEST = 8_000_000  # bytes of one line; a text is judged by its first 64 KB
Answer = Callable[[dict[str, Any]], dict[str, Any]]
_BAD = (ValueError, KeyError, TypeError, OverflowError, RecursionError)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = JSONDecoder(parse_constant=_no_constant).decode
_encode = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode
_escaped = JSONEncoder(allow_nan=False).encode


@app.command()
def score(source: Source = "-", folder: Folder = Path("config"), as_json: Always = True) -> None:
    """Score sentiment: JSON lines {"id", "text", "language"?, "rating"?} in, the same with language and sentiment out."""
    from config.bench import bench

    feel = bench(configured(folder, connectors=False)).feel

    def answer(data: dict[str, Any]) -> dict[str, Any]:
        text, cut = _text(data)
        code, found = feel(text, _string(data, "language"), _rating(data.get("rating")))
        data["language"] = code
        data["sentiment"] = sentiment_json(found)
        if cut:
            data["truncated"] = True
        return data

    _filter(source, answer)


@app.command()
def triage(source: Source = "-", folder: Folder = Path("config"), as_json: Always = True) -> None:
    """Decide: JSON lines of mentions (id, text, and what else is known) in, verdicts with reasons out. Stores nothing."""
    from config.bench import bench

    current = configured(folder, connectors=False)
    judge = bench(current).judge
    topics, first = current.topics, tuple(topic.name for topic in current.topics[:1])

    def answer(data: dict[str, Any]) -> dict[str, Any]:
        mention, cut = _mention(data)
        given = data.get("topics")
        found = tuple(map(str, given)) if isinstance(given, list) else matching(topics, mention) or first
        verdict = judge(Stored(0, 1, mention, found, standing=_standing(data), age=_number(data, "age")))
        told = {
            "id": data["id"],
            "outcome": verdict.outcome,
            "intent": verdict.intent,
            "priority": verdict.priority,
            "team": verdict.team,
            "sentiment": sentiment_json(verdict.sentiment),
            "reasons": list(verdict.reasons),
        }
        return {**told, "truncated": True} if cut else told

    _filter(source, answer)


def sentiment_json(sentiment: Sentiment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "label": sentiment.label,
        "compound": sentiment.compound,
        "scorer": sentiment.scorer,
        "version": sentiment.version,
        "words": sentiment.words,
    }
    if sentiment.probabilities:
        found["probabilities"] = sentiment.probabilities
    if sentiment.reason:
        found["reason"] = sentiment.reason
    return found


# -- one line as a mention -------------------------------------------------------------------------------------------------


def _text(data: dict[str, Any]) -> tuple[str, bool]:
    """The text as it would be stored: no controls, at most 64 KB; and whether something was cut off."""
    text = data["text"]
    if not isinstance(text, str):
        raise ValueError(f"text is {_kind(text)}, not a string")
    return clean(text)


def _mention(data: dict[str, Any]) -> tuple[Mention, bool]:
    text, cut = _text(data)
    if data.get("html") is True:
        text = plain(text)
    title, cut_too = clean(_string(data, "title") or _string(data, "name") or "")
    mention = Mention(
        platform=_string(data, "platform") or "",
        native_id=str(data["id"]),
        published=_moment(data.get("published")),
        origin=_string(data, "origin") or "",
        name=title,
        content=text,
        url=_string(data, "url"),
        language=_string(data, "language"),
        in_reply_to=_string(data, "in_reply_to"),
        rating=_rating(data.get("rating")),
        context=str(data.get("context") or data["id"]),
        attributed_to=_author(data.get("author")),
        repost_of=_string(data, "repost_of"),
    )
    return mention, cut or cut_too


def _author(value: Any) -> Author | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Author(value, handle=value)
    if not isinstance(value, dict):
        raise ValueError(f"author is {_kind(value)}, not a handle or an object")
    handle = _string(value, "handle") or ""
    followers = _number(value, "followers")
    known = str(value.get("native_id") or value.get("id") or handle)
    name = _string(value, "name") or ""
    return Author(known, handle, name, followers=None if followers is None else int(followers))


def _standing(data: dict[str, Any]) -> Standing | None:
    """What is known of the author as a customer, in the words of a rule's conditions."""
    value = data.get("customer")
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError(f"customer is {_kind(value)}, not an object")
    open_now, lately = (int(_number(value, name) or 0) for name in ("open_tickets", "tickets"))
    known, vip = bool(value.get("known", True)), bool(value.get("vip"))
    return Standing(known, vip, _string(value, "tier") or "", open_now, lately)


def _rating(value: Any) -> Rating | None:
    if value is None:
        return None
    parts = value if isinstance(value, dict) else {"value": value}
    stars, best, worst = (_number(parts, name) for name in ("value", "best", "worst"))
    if stars is None:
        raise ValueError("rating has no value")
    rating = Rating(stars, 5.0 if best is None else best, 1.0 if worst is None else worst)
    if rating.best <= rating.worst:
        raise ValueError("rating: best is not above worst")
    return rating


def _number(data: dict[str, Any], name: str) -> float | None:
    value = data.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    try:
        found = float(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or found != found or found in (float("inf"), float("-inf")):
        raise ValueError(f"{name} is {_kind(value)}, not a number")
    return found


def _string(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"{name} is {_kind(value)}, not a string")


def _moment(value: Any) -> datetime:
    if value is None:
        return EPOCH
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("published is no time such as 2026-08-01T12:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", bool: "true or false", str: "a string"}.get(type(value), "a number")


def mentions_of(source: str) -> Iterator[Stored]:
    """The mentions of a file or of standard input, one by one. Ends with 2 at a line that is none."""
    number = 0
    with _opened(source) as handle:
        for lines in _blocks(handle):
            for line in lines:
                number += 1
                if not line or line.isspace():
                    continue
                try:
                    data = _read(line)
                    yield Stored(0, 1, _mention(data)[0], standing=_standing(data), age=_number(data, "age"))
                except _BAD as error:
                    name = "standard input" if source == "-" else source
                    fail(f"{name}:{number}: {_refusal(number, line, error)['error']}", code=2)


# -- lines in blocks ---------------------------------------------------------------------------------------------------------


def _filter(source: str, answer: Answer) -> None:
    """As many lines as have come are answered by one write, so that a slow sender is answered at once and a file fast."""
    out, bad, number = sys.stdout.buffer, 0, 0
    gc.freeze()  # lexicon, model and rules stay: what is made for a line is looked at without them
    gc.enable()
    with _opened(source) as handle:
        for lines in _blocks(handle):
            said = []
            for line in lines:
                number += 1
                if not line or line.isspace():
                    continue
                try:
                    said.append(_encode(answer(_read(line))))
                except _BAD as error:
                    bad += 1
                    said.append(_escaped(_refusal(number, line, error)))
            out.write(_bytes(said))
            out.flush()
    if bad:
        call.shown = True  # each bad line was answered in its place
        raise typer.Exit(1)


def _read(line: bytes) -> dict[str, Any]:
    if len(line) > LONGEST:
        raise ValueError(f"the line is longer than {LONGEST:,} bytes")
    data = _decode(line.decode())
    if type(data) is not dict:
        raise ValueError("each line is a JSON object")
    if "id" not in data or "text" not in data:
        raise ValueError(f"{' and '.join(key for key in ('id', 'text') if key not in data)} missing")
    if isinstance(data["id"], dict | list):
        raise ValueError(f"id is {_kind(data['id'])}")
    return data


def _bytes(said: list[str]) -> bytes:
    """A lone surrogate has no UTF-8; the answer to a text that holds one is written with escapes."""
    if not said:
        return b""
    try:
        return ("\n".join(said) + "\n").encode()
    except UnicodeEncodeError:
        return b"".join(
            _bytes([line]) if line.isprintable() else _escaped(_decode(line)).encode() + b"\n" for line in said
        )


def _refusal(number: int, line: bytes, error: Exception) -> dict[str, Any]:
    """What is wrong, without the words of the line itself."""
    if isinstance(error, JSONDecodeError):
        message = f"column {error.colno}: this is not JSON ({error.msg})"
    elif isinstance(error, UnicodeDecodeError):
        message = f"byte {error.start + 1}: this is not UTF-8"
    elif isinstance(error, RecursionError):
        message = "nested too deeply"
    else:
        message = str(error)
    told: dict[str, Any] = {"line": number, "error": message}
    try:
        given = _decode(line[:LONGEST].decode())
        if type(given) is dict and isinstance(given.get("id"), str | int):
            told = {"line": number, "id": given["id"], "error": message}
    except (ValueError, RecursionError):
        pass  # its id cannot be read either; the number of the line names it
    return told


def _opened(source: str) -> Any:
    try:
        return nullcontext(sys.stdin.buffer) if source == "-" else open(source, "rb")
    except OSError as error:
        fail(f"{source}: {error.strerror}", code=2)


def _blocks(handle: Any) -> Iterator[list[bytes]]:
    """Whole lines, as they come. Of a line without end the begin is kept: it is refused, and memory stays bounded."""
    pending: list[bytes] = []
    size = 0
    first = True
    while chunk := handle.read1(CHUNK):
        if first:
            chunk, first = chunk.removeprefix(codecs.BOM_UTF8), False
        head, newline, rest = chunk.rpartition(b"\n")
        if newline:
            yield b"".join((*pending, head)).split(b"\n")
            pending, size = [rest], len(rest)
        elif size <= LONGEST:
            pending.append(rest)
            size += len(rest)
    if last := b"".join(pending):
        yield [last]
