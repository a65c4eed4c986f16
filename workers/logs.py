"""Logs: one JSON object per line on standard error, one event per change of state; no text or name of a customer in it."""

import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"(?i)(\b(?:bearer|basic)\s+)[^\s\"',]+|(://[^/\s:@]*:)[^\s@/]+(?=@)")
_LINE = re.compile(r"[\x00-\x1f\x7f]+")


def start(service: str) -> None:
    """Set up logging for this process. EARMARK_LOG_LEVEL: debug, info (default), warning, error."""
    level = getattr(logging, os.environ.get("EARMARK_LOG_LEVEL", "info").upper(), logging.INFO)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr, format="%(message)s", force=True)
    logging.getLogger().handlers[0].setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, _json],
            foreign_pre_chain=[_stamp(service), structlog.stdlib.add_log_level],
        )
    )
    structlog.configure(
        processors=[
            _stamp(service),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.format_exc_info,
            _redact,
            _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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
