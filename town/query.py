"""Search queries, really evaluated: keywords, "phrases", OR, brackets, negation and a few operators.

AND is the space between two terms and binds closer than OR
(https://docs.x.com/x-api/posts/search/integrate/build-a-query, "Boolean operators and grouping").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Match = Callable[[Any], bool]
TOKEN = re.compile(r'-?\(|\)|-?"[^"]*"|-?[A-Za-z_]+:"[^"]*"|[^\s()]+')
# Punctuation parts words, the underscore too (same site, …/operators, "keyword").
WORD = re.compile(r"[^\W_]+")
# These match too much to stand alone (same page, "Conjunction-required operators").
CONJUNCTION = {"is", "has", "lang"}


class BadQuery(ValueError):
    """The platform refuses this query; the message is the one shown to the caller."""


def words(text: str) -> str:
    """Text as the index sees it: lower-case words between single spaces; punctuation splits."""
    return " " + " ".join(WORD.findall(text.lower())) + " "


class Parser:
    """Recursive descent over the tokens; counts the positive clauses that may stand alone."""

    def __init__(self, query: str, operators: dict[str, Callable[[str], Match]]) -> None:
        if query.count('"') % 2:
            raise BadQuery("missing closing quote")
        self.tokens = TOKEN.findall(query)
        self.at = 0
        self.operators = operators
        self.standalone = 0

    def parse(self) -> Match:
        match = self._either()
        if self.at < len(self.tokens):
            raise BadQuery(f"no viable alternative at input '{self.tokens[self.at]}' (at position {self.at + 1})")
        return match

    def _peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _either(self) -> Match:
        options = [self._all()]
        while self._peek() == "OR":
            self.at += 1
            options.append(self._all())
        return options[0] if len(options) == 1 else lambda post: any(option(post) for option in options)

    def _all(self) -> Match:
        terms = []
        while self._peek() not in ("", ")", "OR"):
            if self._peek() == "AND":  # Reddit's search writes it out
                self.at += 1
                continue
            terms.append(self._term())
        if not terms:
            raise BadQuery(f"missing clause (at position {self.at + 1})")
        return terms[0] if len(terms) == 1 else lambda post: all(term(post) for term in terms)

    def _term(self) -> Match:
        token = self.tokens[self.at]
        self.at += 1
        if token == "NOT":
            return _negate(self._term())
        if token.startswith("-") and len(token) > 1:
            self.tokens[self.at - 1] = token[1:]
            self.at -= 1
            before = self.standalone
            match = self._term()
            self.standalone = before  # a negated clause does not count as a positive one
            return _negate(match)
        if token == "(":
            match = self._either()
            if self._peek() != ")":
                raise BadQuery("missing ')'")
            self.at += 1
            return match
        return self._leaf(token)

    def _leaf(self, token: str) -> Match:
        name, colon, value = token.partition(":")
        if colon and re.fullmatch(r"[A-Za-z_]+", name):
            if name not in self.operators:
                raise BadQuery(
                    f"Reference to invalid operator '{name}'. Operator is not available in current product or product"
                    f" packaging. (at position {self.at})"
                )
            self.standalone += name not in CONJUNCTION
            return self.operators[name](value.strip('"').lower())
        self.standalone += 1
        lowered = token.strip('"').lower()
        if token[0] in "@#":
            pattern = re.compile(r"(?<!\w)" + re.escape(lowered) + r"(?!\w)")
            return lambda post: bool(pattern.search(f"{post.title} {post.text}".lower()))
        wanted = words(lowered)
        if not wanted.strip():  # an emoji: matched as it stands
            return lambda post: lowered in post.text
        return lambda post: wanted in words(f"{post.title} {post.text}")


def _negate(match: Match) -> Match:
    return lambda post: not match(post)
