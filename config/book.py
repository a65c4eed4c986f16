"""All files of a folder as one, and what is wrong with them so far."""

from dataclasses import dataclass, field
from typing import Literal

from config.complaints import Complaint
from config.source import Node, Source


@dataclass(slots=True)
class Book:
    """All files as one: a node per section, and the complaints so far. `whole` is False when a file could not be read to its end."""

    sources: dict[str, Source] = field(default_factory=dict)
    sections: dict[str, Node] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    whole: bool = True

    def complain(
        self, node: Node, code: str, message: str, suggestion: str = "", severity: Literal["error", "warning"] = "error"
    ) -> None:
        source = self.sources.get(node.file)
        text = source.line(node.line) if source else ""
        self.complaints.append(
            Complaint(node.file, node.line, node.column, message, text, suggestion, severity, node.width, code)
        )

    @property
    def errors(self) -> list[Complaint]:
        return [one for one in self.complaints if one.severity == "error"]

    def blames(self, node: Node) -> bool:
        """Whether something is already said about this very place."""
        return any((one.file, one.line, one.column) == (node.file, node.line, node.column) for one in self.complaints)
