"""How the command that runs was asked for, and what it said so far: one for the process, which runs one command at a time."""

from contextlib import ExitStack
from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    json: bool = False
    dry_run: bool = False
    no_input: bool = False
    shown: bool = False  # a result went to standard output
    said: list[str] = field(default_factory=list)  # to standard error
    open: ExitStack = field(default_factory=ExitStack)  # what is closed when the command ends, however it ends

    def begin(self) -> None:
        self.json = self.dry_run = self.no_input = self.shown = False
        self.said.clear()


call = Call()
