"""As much of PromQL's grammar as our rules and dashboards use: enough to refuse what Prometheus would refuse.

https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')|(?P<duration>\d+(?:ms|[smhdwy]))|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<op>=~|!~|!=|==|>=|<=|[-+*/%^(){}\[\],=<>]))"
)
AGGREGATIONS = {"sum", "max", "min", "avg", "count"}
FUNCTIONS = {"rate": True, "increase": True, "absent": False, "vector": False, "time": False}  # name -> takes a range
BINARY = {"+", "-", "*", "/", "%", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"}


@dataclass(slots=True)
class Used:
    """What an expression names: metric → labels it is matched by, and the labels it is grouped by."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    by: set[str] = field(default_factory=set)


def parse(text: str) -> Used:
    """Raises ValueError for what is no expression."""
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"{text[at : at + 20]!r} in {text!r}")
        tokens.append((str(found.lastgroup), found[found.lastgroup or 0]))
        at = found.end()
    parser = _Parser(tokens)
    parser.expression()
    if parser.peek()[0] != "end":
        raise ValueError(f"{parser.peek()[1]!r} after the end of {text!r}")
    return parser.used


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens, self.at, self.used = tokens, 0, Used()

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, wanted: str = "", kind: str = "") -> str:
        have = self.peek()
        if (wanted and have[1] != wanted) or (kind and have[0] != kind):
            raise ValueError(f"{wanted or kind} wanted, {have[1]!r} found at token {self.at}")
        self.at += 1
        return have[1]

    def expression(self) -> None:
        self.operand()
        while self.peek()[1] in BINARY:
            self.take()
            self.operand()

    def operand(self) -> None:
        kind, text = self.peek()
        if text == "(":
            self.take()
            self.expression()
            self.take(")")
        elif kind == "number":
            self.take()
        elif text in AGGREGATIONS:
            self.take()
            self.grouping()
            self.take("(")
            self.expression()
            self.take(")")
            self.grouping()
        elif text in FUNCTIONS and self.tokens[self.at + 1 : self.at + 2] == [("op", "(")]:
            self.call(FUNCTIONS[self.take()])
        else:
            self.selector(ranged=False)

    def call(self, ranged: bool) -> None:
        self.take("(")
        if ranged:
            self.selector(ranged=True)
        elif self.peek()[1] != ")":
            self.expression()
        self.take(")")

    def grouping(self) -> None:
        if self.peek()[1] not in ("by", "without"):
            return
        self.take()
        self.take("(")
        while self.peek()[1] != ")":
            self.used.by.add(self.take(kind="name"))
            if self.peek()[1] != ")":
                self.take(",")
        self.take(")")

    def selector(self, ranged: bool) -> None:
        labels = self.used.metrics.setdefault(self.take(kind="name"), set())
        if self.peek()[1] == "{":
            self.take()
            while self.peek()[1] != "}":
                labels.add(self.take(kind="name"))
                if self.take(kind="op") not in ("=", "!=", "=~", "!~"):
                    raise ValueError("a label is matched with = != =~ or !~")
                self.take(kind="string")
                if self.peek()[1] != "}":
                    self.take(",")
            self.take("}")
        if ranged:
            self.take("[")
            self.take(kind="duration")
            self.take("]")
