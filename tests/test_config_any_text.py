"""Whatever stands in a file, the loader answers with a Config or with Complaints, and never with anything else."""

import contextlib
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

import config
from config.load import examine_texts
from config.models import Channel, Config, Target

_KEYS = sorted(
    {
        *Config.model_fields,
        *Channel.model_fields,
        *Target.model_fields,
        "when",
        "then",
        "any",
        "url",
        "urls",
        "token",
        "secret_env",
    }
)
_WORDS = st.sampled_from(
    [
        *_KEYS,
        "feed",
        "reddit",
        "webhook",
        "ticket",
        "negative",
        "5s",
        "0 6 * * *",
        "Europe/Berlin",
        "${A}",
        "http://[",
        "-1",
        "nan",
    ]
)
_LEAF = st.one_of(_WORDS, st.text(max_size=8), st.none(), st.booleans(), st.integers(), st.floats())
_KEY = st.one_of(st.sampled_from(_KEYS), st.text(max_size=6))
_TREE = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEY, inner, max_size=4), max_leaves=25
)
_SECTIONED = st.dictionaries(
    st.sampled_from(sorted(Config.model_fields)),
    st.one_of(_TREE, st.lists(st.dictionaries(_KEY, _TREE, max_size=6), max_size=3)),
    max_size=5,
)
_SOUP = st.lists(
    st.sampled_from(
        [
            *_KEYS,
            ": ",
            "\n",
            "\n  ",
            "\n- ",
            "- ",
            "[",
            "]",
            "{",
            "}",
            "&a ",
            "*a",
            "!!int ",
            "|",
            ">",
            "'",
            '"',
            "#",
            "\t",
            "---",
            "%YAML 1.1",
            "\\",
            "?",
            "<<",
            "\x00",
            "\ud800",
            "é",
        ]
    ),
    max_size=30,
).map("".join)


def answers(text: str | bytes) -> None:
    found = examine_texts([("t.yaml", text)])
    errors = [one for one in found.complaints if one.severity == "error"]
    assert (found.config is None) == bool(errors)
    for one in found.complaints:
        assert one.message
        assert str(one)
    if found.config is not None:
        assert config.load_document(json.loads(json.dumps(found.config.document()))) == found.config


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.one_of(st.text(), st.binary(), _SOUP))
@example("%YAML 1." + "9" * 5000 + "\n--- {}")
@example('a: "\\UFFFFFFFF"')
@example("a: !<tag:yaml.org,2002:python/object:x> b")
@example("? [a, b]\n: c")
@example("channels: [{name: a, kind: feed, urls: [x], every: " + "9" * 5000 + "d}]")
@example("topics: [{name: &a [*a]}]")
def test_any_text(text: str | bytes) -> None:
    answers(text)


@settings(max_examples=200, deadline=None, print_blob=True)
@given(st.one_of(_SECTIONED, _TREE))
def test_any_tree(tree: Any) -> None:
    answers(json.dumps(tree))
    with contextlib.suppress(config.Complaints):
        assert config.load_document(tree).hash
