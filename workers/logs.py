"""Logs: one JSON object per line on standard error, one event per change of state; no text or name of a customer in it."""

import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s\"',]+|(://[^/\s:@]*:)[^\s@/]+(?=@)")
OURS = ("workers", "storage", "connectors", "config", "console", "domain")
FRAMES, CAUSES = 5, 4  # of an error that are named
_LOCK = threading.Lock()
_LINE = re.compile(r"[\x00-\x1f\x7f]+")


class _Lines:
    """Writes to what standard error is now, whatever it was when logging began."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: str) -> None:
        with _LOCK:
            print(line, file=sys.stderr, flush=True)

    log = debug = info = warn = warning = error = critical = fatal = exception = msg


class _Handler(logging.Handler):
    """What libraries log, by the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        _Lines().msg(self.format(record))


def start(service: str) -> None:
    """Set up logging for this process. EARMARK_LOG_LEVEL: debug, info (default), warning, error."""
    level = getattr(logging, os.environ.get("EARMARK_LOG_LEVEL", "info").upper(), logging.INFO)
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts")
    handler = _Handler()
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler], force=True)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _traced, _redact, _json],
            foreign_pre_chain=[_stamp(service), structlog.stdlib.add_log_level, _foreign, stamp],
        )
    )
    structlog.configure(
        processors=[
            _stamp(service),
            structlog.processors.add_log_level,
            stamp,
            _traced,
            _redact,
            _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def trace(error: BaseException) -> str:
    """Which kind of error, and where: `KeyError in settle (deliver.py:88) < deliver (deliver.py:62)`, causes after it.

    Its message is left out: those of drivers and parsers quote the data they stumbled over. Our own are made without.
    """
    said, seen = [], 0
    current: BaseException | None = error
    while current is not None and seen < CAUSES:
        frames = traceback.extract_tb(current.__traceback__)[-FRAMES:]
        places = " < ".join(f"{f.name} ({f.filename.rsplit('/', 1)[-1]}:{f.lineno})" for f in reversed(frames))
        state = getattr(current, "sqlstate", None)
        name = type(current).__name__ + (f" {state}" if state else "")
        said.append(f"{name} in {places}" if places else name)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        seen += 1
    return "; from ".join(said)


def _uncaught(_: Any, error: BaseException | None, __: Any) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt):
        structlog.get_logger().error("uncaught", exception=trace(error))


def _traced(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """In place of a traceback with its message: kinds and places."""
    given = event.pop("exc_info", None)
    error = given[1] if isinstance(given, tuple) else sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        event["exception"] = trace(error)
    return event


def _foreign(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """A library's line: its pattern without what it was filled with, which may be a message, an address or somebody's words."""
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        if record.name.partition(".")[0] not in OURS:
            event["event"] = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        event["logger"] = record.name
        event["exc_info"] = record.exc_info
    return event


def _json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)(_, __, event)  # type: ignore[return-value]


def _stamp(service: str) -> structlog.typing.Processor:
    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event["service"] = service
        return event

    return stamp


def _hide(found: re.Match[str]) -> str:
    return (found[1] or found[2]) + "***"


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Credentials in addresses and headers never reach a line; line breaks cannot forge one; long values are cut visibly."""
    for key, value in event.items():
        if isinstance(value, str):
            value = _SECRET.sub(_hide, _LINE.sub(" ", value))
            event[key] = value if len(value) <= 2000 else value[:2000] + f"… ({len(value)} characters)"
    return event
