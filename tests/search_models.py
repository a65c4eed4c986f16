"""What each platform's search finds, after its documented grammar: the other side of tests/test_query_searches.py.

Words are runs of letters and digits, compared without regard to case; everything else only parts them:
[x] https://docs.x.com/x-api/posts/search/integrate/operators ("keyword": tokenized by punctuation, symbols and separators; `#` and
    `from:`/`lang:` whole values), …/build-a-query (a space is AND and binds closer than OR; up to 512 characters)
[reddit] https://support.reddithelp.com/hc/en-us/articles/19696541895316 (AND, OR, NOT, brackets, "phrase", author:), posts only
[algolia] https://www.algolia.com/doc/api-reference/api-parameters/query (every word must be there, no OR, at most 512 bytes),
    …/queryType (prefixLast: the last word may be the beginning of one), …/advancedSyntax ("…" within one attribute)
"""

import re

from domain.nouns import Mention
from town.query import Parser

WORDS = re.compile(r"[^\W_]+")


def _words(text: str) -> str:
    return " " + " ".join(WORDS.findall(text.lower())) + " "


class _Post:
    """A mention as the town's parser of queries takes it."""

    def __init__(self, mention: Mention) -> None:
        self.title, self.text = mention.name, mention.content
        self.mention = mention
        self.handle = (mention.attributed_to.handle if mention.attributed_to else "").lower()


def x(search: str, mention: Mention) -> bool:
    assert 0 < len(search) <= 512, search
    said = mention.language or "und"
    operators = {
        "from": lambda value: lambda post: post.handle == value,
        "lang": lambda value: lambda post: said == value,
    }
    parser = Parser(search, operators)
    match = parser.parse()
    assert parser.standalone, f"X refuses a search of conjunction-required operators alone: {search}"
    return match(_Post(mention))


def reddit(search: str, mention: Mention) -> bool:
    assert 0 < len(search) <= 512, search
    return Parser(search, {"author": lambda value: lambda post: post.handle == value}).parse()(_Post(mention))


def hackernews(search: str, mention: Mention) -> bool:
    assert 0 < len(search.encode()) <= 512, search
    attributes = [_words(mention.name), _words(mention.content)]
    everything = "".join(attributes)
    phrases = re.findall(r'"([^"]*)"', search)
    rest = _words(re.sub(r'"[^"]*"', " ", search)).split()
    begun = rest.pop() if rest and not search.rstrip().endswith('"') else ""
    return (
        all(any(_words(phrase) in attribute for attribute in attributes) for phrase in phrases)
        and all(f" {word} " in everything for word in rest)
        and f" {begun}" in everything
    )
