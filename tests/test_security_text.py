"""A hundred texts that would be script elsewhere, through a channel: inert on every page, for the eye and for a real browser."""

import html
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest
import structlog
from fastapi import HTTPException
from sqlalchemy import text

from console.web import hooks
from tests import bad_input, web
from tests.bad_input import Stage
from tests.raw_server import reply
from tests.test_web_browser import browser  # noqa: F401
from workers import logs

EVENTS = ("onload", "onerror", "onclick", "onfocus", "onmouseover", "ontoggle", "onanimationstart", "onpointerover")
TAGS = ("img src=x", "svg", "body", "input autofocus", "details open", "video src=x", "iframe src=x", "a href=x")
RUN = "window.hit=1"
CORPUS = [
    *(f"<{tag} {event}={RUN}>" for tag in TAGS for event in EVENTS),
    f"<script>{RUN}</script>", f"<ScRiPt>{RUN}</sCrIpT>", f"<script >{RUN}</script >", f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"</title><script>{RUN}</script>", f"</textarea><script>{RUN}</script>", f"</style><script>{RUN}</script>",
    f"--><script>{RUN}</script>", f"]]><script>{RUN}</script>", f"\"><script>{RUN}</script>", f"'><script>{RUN}</script>",
    f"</script><script>{RUN}</script>", f"<script\n>{RUN}</script>", f"<script/x>{RUN}</script>", f"<<script>{RUN}//<</script>",
    f"<svg><script>{RUN}</script></svg>", f"<svg><animate onbegin={RUN} attributeName=x>", f"<svg/onload={RUN}>",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>", f"<noscript><p title=\"</noscript><img src=x onerror={RUN}>\">",
    f"<form><button formaction=javascript:{RUN}>x", f"<a href=\"javascript:{RUN}\">x</a>", f"<a href=\"java\tscript:{RUN}\">x</a>",
    f"<a href=\"&#106;avascript:{RUN}\">x</a>", f"<a href=\" javascript:{RUN}\">x</a>", f"[x](javascript:{RUN})",
    f"<iframe srcdoc=\"<script>parent.{RUN}</script>\">", f"<object data=\"javascript:{RUN}\">", f"<embed src=\"javascript:{RUN}\">",
    "<base href=//evil.example>", "<meta http-equiv=refresh content=0;url=//evil.example>", "<link rel=stylesheet href=//evil.example>",
    "<style>@import'//evil.example'</style>", "<style>*{background:url(//evil.example)}</style>", "<img src=//evil.example/x>",
    "<template><script>1</script></template>", "<!--<script>", "{{ 7*7 }}", "{% raw %}", "${7*7}", "<%= 7*7 %>", "#{7*7}",
]  # fmt: skip


@pytest.fixture(scope="module")
def stage(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with bad_input.stage(database_url, tmp_path_factory.mktemp("config")) as made:
        yield made


@pytest.fixture(scope="module")
def pages(stage: Stage) -> list[str]:
    """The corpus as title, text, name of the author and of the tag, through X's listing; and what of it became a dead letter."""
    posts, users = [], []
    for n, evil in enumerate(CORPUS):
        id_, word = f"19900000000002{n:05}", "broken" if n % 3 else "odd"
        posts.append(
            {"id": id_, "text": f"acme {word} {evil}", "author_id": f"{n}", "created_at": "2026-11-21T10:00:00Z"}
        )
        users.append({"id": f"{n}", "name": evil, "username": evil})
    body = {"data": [*posts, {"text": CORPUS[0], "x": CORPUS}], "includes": {"users": users}, "meta": {}}
    body["errors"] = [{"title": evil} for evil in CORPUS]
    stage.server.routes["/2/tweets/search/recent"] = reply(json.dumps(body))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T_X", "x")
        wanted = {"kind": "x", "every": "1h", "query": "acme", "bearer_token_env": "T_X", "base_url": stage.server.url}
        stage.read({"name": "evil", **wanted})
        refusal = {"errors": [{"message": " ".join(CORPUS[-50:])}]}
        stage.server.routes["/2/tweets/search/recent"] = reply(json.dumps(refusal), 422)
        stage.read({"name": "refused", **wanted})
    found = stage.mentions("evil")
    assert len(found) == len(CORPUS)
    with stage.ledger.begin() as connection:
        connection.execute(
            text("INSERT INTO dead_letters (kind, ref_id, reason, error) VALUES ('digest', :id, :e, :e)"),
            [{"id": m["id"], "e": evil} for m, evil in zip(found, CORPUS, strict=True)],
        )
        evidence = json.dumps(
            {"count": 3, "samples": [{"mention_id": m["id"]} for m in found[:10]], CORPUS[0]: CORPUS[1]}
        )
        connection.execute(
            text(
                "INSERT INTO escalations (rule, series, window_start, evidence, run_id) "
                "VALUES ('spike', 'acme/negative', now(), CAST(:evidence AS jsonb), 1)"
            ),
            {"evidence": evidence},
        )
    tickets = [m for m in found if m["ticket"]]
    assert len(tickets) > 60
    paths = [f"/tickets/{m['ticket']}" for m in tickets] + [f"/customers/{m['customer']}" for m in tickets[::4]]
    lists = [
        "/inbox",
        "/inbox?page=2",
        "/review",
        "/review?page=2",
        "/customers",
        "/channels",
        "/status",
        "/flags",
        "/flags/1",
    ]
    return lists + paths


def test_every_payload_is_shown_as_text_on_every_page(stage: Stage, pages: list[str]) -> None:
    shown: set[str] = set()
    for path in pages:
        source = stage.page(path)
        for evil in CORPUS:
            if "<" in evil:
                assert evil not in source, (path, evil)
            if html.escape(evil).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in source:
                shown.add(evil)
        ours = re.findall(r'<script src="/static/\w+\.[0-9a-f]{10}\.js" defer></script>', source)
        assert source.count("<script") == len(ours) > 0, path  # our own files
        kept = re.sub(r' formaction="/tickets/\d+/drafts/(reply|note)"', "", source)  # our own buttons
        bare = re.sub(r'"[^"]*"', '""', kept)
        assert not re.search(r"<[^>]*\s(on\w+|style|srcdoc|formaction)\s*=", bare), path
        for link in re.findall(r'<a [^>]*href="([^"]*)"', source):
            assert link.startswith(("/", "#", "http://", "https://")), (path, link)
    assert len(shown) == len(set(CORPUS)), set(CORPUS) - shown


def test_the_api_answers_with_json_that_no_browser_takes_for_a_page(stage: Stage, pages: list[str]) -> None:
    for path in ("/api/v1/tickets", "/api/v1/review", "/api/v1/channels", "/api/v1/status", "/api/v1/escalations/1"):
        answer = stage.console.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.browser
def test_a_real_browser_runs_none_of_it(stage: Stage, pages: list[str], browser: Any) -> None:  # noqa: F811
    address = str(stage.console.base_url)
    context = browser.new_context(base_url=address)
    context.add_cookies([{"name": "earmark", "value": stage.console.cookies["earmark"], "url": address}])
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url} {message.text}"))
    page.on("pageerror", lambda error: said.append(f"{page.url} {error}"))
    page.on("dialog", lambda dialog: said.append("a dialog"))
    page.on("request", lambda request: asked.append(request.url))
    lists, rest = pages[:9], pages[9:]
    for path in (*lists, *rest[:: len(rest) // 12]):
        answer = page.goto(path)
        assert answer.status == 200, path
        assert page.evaluate("window.hit") is None, path
        assert (
            page.evaluate(
                "document.querySelectorAll('main iframe, main object, main embed, main base, main form[action*=\":\"]').length"
            )
            == 0
        )
    context.close()
    assert said == []
    assert {url for url in asked if not url.startswith(address)} == set()


EVIL_LINE = 'x\r\n{"level": "info", "event": "all is well"}\x1b[2J\x1b]0;owned\x07\u2028\x00 bearer s3cret'


def test_text_from_outside_cannot_forge_a_log_line() -> None:
    """Neither a value, a key's value nor an exception's message; in our lines and in those of libraries."""
    out = io.StringIO()
    handlers = logging.getLogger().handlers[:]
    with redirect_stderr(out):
        logs.start("test")
        log = structlog.get_logger()
        log.warning("poll failed", error=EVIL_LINE, channel=EVIL_LINE)
        log.warning(EVIL_LINE)
        try:
            raise ValueError(EVIL_LINE)
        except ValueError:
            log.exception("it raised")
        logging.getLogger("urllib3").warning("library says %s", EVIL_LINE)
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()
    lines = out.getvalue().split("\n")[:-1]
    assert len(lines) == 4, lines
    for line in lines:
        assert json.loads(line)["service"] == "test"
        assert not re.search(r"[\x00-\x1f\x7f]", line)
        assert "s3cret" not in line


def test_a_session_cookie_is_not_for_script(stage: Stage) -> None:
    with web.httpx2.Client(base_url=str(stage.console.base_url)) as fresh:
        answer = web.log_in(fresh, "agent@example.org")
    assert all("httponly" in c.lower() for c in answer.headers.get_list("set-cookie"))


@pytest.mark.parametrize(("depth", "refused"), [(60, False), (70, True), (900, True), (100_000, True)])
def test_a_delivery_nested_too_deeply_is_refused_at_the_door(depth: int, refused: bool) -> None:
    body = ('{"x": ' + "[" * depth + "]" * depth + "}").encode()
    if refused:
        with pytest.raises(HTTPException) as answer:
            hooks._json(body)
        assert answer.value.status_code == 400
    else:
        assert hooks._json(body)[1]
