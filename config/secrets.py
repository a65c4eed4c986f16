"""Secrets come from the environment: NAME holds one, or NAME_FILE the path of a file that does. Never from YAML, never into a message."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from config.complaints import Complaint
from config.models import Config

_MAX_BYTES = 65_536


class SecretError(LookupError):
    """A secret cannot be had; the message names the variable and never the value."""


def secret(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """The secret in NAME, or in the file that NAME_FILE names, without the line end an editor leaves there."""
    value, path = environ.get(name), environ.get(f"{name}_FILE")
    if value is not None and path is not None:
        raise SecretError(f"both {name} and {name}_FILE are set; unset one of them")
    if path is not None:
        return _from_file(name, path)
    if value is None:
        raise SecretError(f"set {name}, or {name}_FILE to the path of a file that holds it")
    if not value.strip():
        raise SecretError(f"{name} is set but empty")
    return value


def _from_file(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise SecretError(f"the file named by {name}_FILE cannot be read: {reason}") from None
    if len(raw) > _MAX_BYTES:
        raise SecretError(f"the file named by {name}_FILE is larger than {_MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError(f"the file named by {name}_FILE is not text") from None
    if not text.strip():
        raise SecretError(f"the file named by {name}_FILE is empty")
    return text


def wanted(settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each (key, variable) of a channel's or desk's settings, at any depth."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from wanted(value)
        elif isinstance(value, list | tuple):
            yield from (pair for item in value if isinstance(item, Mapping) for pair in wanted(item))
        elif key.endswith("_env") and isinstance(value, str) and value:
            yield key, value


def missing(
    config: Config, places: Mapping[str, Complaint] | None = None, environ: Mapping[str, str] = os.environ
) -> list[Complaint]:
    """A complaint for each secret an enabled channel, desk or alert needs and cannot have. Warnings when `on_error: skip` runs without."""
    complaints = []
    if openid := config.settings.login.openid:
        problem = _problem(openid.client_secret_env, environ)
        if problem:
            place = (places or {}).get("settings", Complaint("", 0, 0, ""))
            said = f"settings.login.openid (client_secret_env): {problem}; nobody can log in there meanwhile"
            complaints.append(replace(place, message=said, severity="warning", code="E504"))
    for section, item in _enabled(config):
        for key, name in wanted(item.settings):
            problem = _problem(name, environ)
            if problem:
                place = (places or {}).get(f"{section}/{item.name}", Complaint("", 0, 0, ""))
                skip = config.settings.on_error == "skip"
                message = f"{section.removesuffix('s')} {item.name} ({key}): {problem}" + (
                    "; it is left out" if skip else ""
                )
                complaints.append(replace(place, message=message, severity="warning" if skip else "error", code="E504"))
    return complaints


def runnable(config: Config, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration with every channel, desk and alert switched off whose secrets are missing (`on_error: skip`)."""
    lacking = {
        (section, item.name)
        for section, item in _enabled(config)
        if any(_problem(name, environ) for _, name in wanted(item.settings))
    }
    if not lacking:
        return config
    changed = {
        section: tuple(
            item.model_copy(update={"enabled": False}) if (section, item.name) in lacking else item
            for item in getattr(config, section)
        )
        for section in ("channels", "desks", "alerts", "events")
    }
    return config.model_copy(update=changed)


def _enabled(config: Config) -> Iterator[tuple[str, Any]]:
    for section in ("channels", "desks", "alerts", "events"):
        yield from ((section, item) for item in getattr(config, section) if item.enabled)


def _problem(name: str, environ: Mapping[str, str]) -> str:
    try:
        secret(name, environ)
    except SecretError as error:
        return str(error)
    return ""
