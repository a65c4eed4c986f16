"""A story told in time: who posts what, when. None is told unless asked for."""

from __future__ import annotations

from typing import Any


class Story:
    """Nothing happens here unless a story is named."""

    def __init__(self, town: Any, name: str | None, speed: float) -> None:
        self.town, self.name, self.speed = town, name, speed

    def start(self) -> None:
        """Without a story there is nothing to start."""

    def stop(self) -> None:
        """Nor to stop."""

    def pause(self, paused: bool) -> None:
        """Nor to pause."""

    def progress(self) -> dict[str, Any]:
        return {"name": self.name, "state": "none"}
