"""The desk that prints: a fresh clone runs end to end and shows what it would have sent.

One JSON line per effect, to standard error or appended to a file; the reader tells repeats by `key`.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from connectors.contract import Context, Delivered
from connectors.errors import ConfigError
from connectors.outbound._text import canonical
from domain.nouns import Notice

LABEL = "Standard output"
KINDS = (
    "ticket.create", "ticket.comment", "ticket.reply", "ticket.status", "flag.open", "flag.update", "flag.close", "automation.alert", "automation.event", "survey.ask",
)  # fmt: skip
REPLIES = "address"  # prints what a mail server would have got
GUARANTEE = "at least once with the effect's key in each line; a crash between printing and our note of it prints the line again"


class Settings(BaseModel):
    """Prints instead of sending."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = Field(None, description="A file to append to; standard error when left out.")


class Desk:
    """Prints a line per effect; there is nothing to look up."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings

    def render(self, notice: Notice, remote: str | None) -> str:
        return canonical({"key": notice.key, "kind": notice.kind, "body": dict(notice.body)})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        if self.settings.path is None:
            print(request, file=sys.stderr, flush=True)
            return Delivered(remote_id=notice.key)
        try:
            Path(self.settings.path).parent.mkdir(parents=True, exist_ok=True)
            # One write to a file opened for appending: lines of several workers do not mix
            # (https://pubs.opengroup.org/onlinepubs/9799919799/functions/write.html).
            file = os.open(self.settings.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, request.encode() + b"\n")
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise ConfigError(
                f"Cannot write to {self.settings.path}: {error.strerror}.", advice="Name a file this process may write."
            ) from error
        return Delivered(remote_id=notice.key)

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None
