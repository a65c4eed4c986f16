"""What customers write stays text, what other sites send is refused, and every answer carries the headers."""

import html
import re
from collections.abc import Iterator

import httpx2
import pytest
from sqlalchemy import text

from console.web.armour import BODY_LIMIT, CSP
from console.web.words import web_link
from storage.ledger import Ledger
from tests import web

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "{{ 7 * 7 }}{% raw %}",
    "<!--<script>",
    "<a href=javascript:alert(1)>x</a>",
    "<style>@import'//evil.example'</style>",
    "<base href=//evil.example>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202egnp.exe <b>bold</b>",
]
LINKS = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,<script>",
    "vbscript:x", "file:///etc/passwd", "//evil.example", "https:evil", "http://", "https://a b", "x", "", None, "http://[",
]  # fmt: skip
PAGES = ("/inbox", "/review", "/customers", "/flags", "/channels", "/status")


@pytest.fixture(scope="module")
def ledger(database_url: str) -> Iterator[Ledger]:
    found = Ledger(database_url)
    yield found
    found.close()


@pytest.fixture(scope="module")
def client(ledger: Ledger, database_url: str) -> Iterator[httpx2.Client]:
    ids = web.people(database_url)
    with web.serve(web.make_app(database_url)) as address, web.enter(ledger, address, ids["admin"]) as found:
        yield found


@pytest.fixture(scope="module")
def hostile(ledger: Ledger, client: httpx2.Client) -> list[str]:
    """A hostile text in every field a stranger or a desk fills; the pages that show them."""
    pages = list(PAGES)
    for n, evil in enumerate(HOSTILE):
        id_ = web.mention(
            ledger, f"evil-{n}", evil, name=evil, author=f"{evil}{n}", url="javascript:alert(1)", why=evil, origin=evil
        )
        number = web.ticket(ledger, id_, evil, f"reddit||evil-{n}", author=f"{evil}{n}")
        web.mention(
            ledger,
            f"evil-review-{n}",
            evil,
            outcome="review",
            name=evil,
            author=evil,
            url=LINKS[n % len(LINKS)],
            why=evil,
        )
        client.post(f"/tickets/{number}/notes", data={"body": evil})
        pages += [f"/tickets/{number}", f"/customers/{n + 1}"]
        with ledger.begin() as connection:
            values = {"e": evil, "n": n, "t": number}
            connection.execute(
                text(
                    "INSERT INTO channels (name, kind, error, advice, error_at, last_poll_at) VALUES (:e || :n, :e, :e, :e, now(), now())"
                ),
                values,
            )
            connection.execute(
                text(
                    "INSERT INTO escalations (rule, series, window_start, evidence, run_id) VALUES (:e || :n, :e || '/negative', "
                    "now(), jsonb_build_object('count', 3, CAST(:e AS text), CAST(:e AS text)), 1)"
                ),
                values,
            )
            connection.execute(
                text("INSERT INTO dead_letters (kind, ref_id, reason, error) VALUES ('digest', 1, :e, :e)"), values
            )
            connection.execute(
                text("INSERT INTO targets (name, kind, blocked, error) VALUES (:e || :n, :e, :e, :e)"), values
            )
            connection.execute(
                text(
                    "UPDATE outbox SET error = :e, remote_id = :e WHERE ticket_id = (SELECT id FROM tickets WHERE number = :t)"
                ),
                values,
            )
        pages.append(f"/flags/{n + 1}")
    return pages


def test_hostile_text_is_inert_wherever_it_is_shown(client: httpx2.Client, hostile: list[str]) -> None:
    shown = 0
    for path in hostile:
        page = client.get(path)
        assert page.status_code == 200, path
        for evil in HOSTILE:
            if "<" in evil or '"' in evil or "'" in evil:
                assert evil not in page.text, (path, evil)
            shown += html.escape(evil).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page.text
        elements = set(re.findall(r"<\s*(script|img|iframe|style|base|svg|math|object|embed)\b[^>]*", page.text))
        assert elements <= {"script", "svg"}, path
        ours = re.findall(r'<script src="/static/\w+\.[0-9a-f]{10}\.js" defer></script>', page.text)
        assert page.text.count("<script") == len(ours) > 0, path  # our own files
        assert not re.search(r"<[^>]*\s(on\w+|style|srcdoc)\s*=", re.sub(r'"[^"]*"', '""', page.text)), path
    assert shown > 3 * len(HOSTILE)  # the test looked at pages that do show them


def test_links_lead_to_the_web_only(client: httpx2.Client, hostile: list[str]) -> None:
    for path in hostile:
        for link in re.findall(r"<a [^>]*>", client.get(path).text):
            target = re.search(r'href="([^"]*)"', link)
            assert target, link
            assert target[1].startswith(("/", "#", "http://", "https://")), link
            if target[1].startswith("http"):
                assert 'rel="noopener noreferrer nofollow"' in link


@pytest.mark.parametrize("url", LINKS)
def test_an_address_a_page_must_not_link_to(url: str | None) -> None:
    assert web_link(url) == ""


def test_an_address_a_page_may_link_to() -> None:
    assert web_link("https://reddit.example/r/x?a=1#b") == "https://reddit.example/r/x?a=1#b"


@pytest.mark.parametrize(
    "path", [*PAGES, "/login", "/nope", "/tickets/987654", "/api/v1/tickets", "/healthz", "/metrics", "/favicon.ico"]
)
def test_every_answer_carries_the_headers(client: httpx2.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert CSP.startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    if path != "/favicon.ico":
        assert headers["cache-control"] == "no-store"
    assert "server" not in headers or "uvicorn" in headers["server"]


def test_a_broken_page_says_nothing_and_still_carries_the_headers(ledger: Ledger, database_url: str) -> None:
    app = web.make_app(database_url)

    def break_down() -> None:
        raise RuntimeError("the password is hunter2")

    app.add_api_route("/healthz", break_down)
    app.router.routes.insert(0, app.router.routes.pop())
    with web.serve(app) as address:
        answer = httpx2.get(f"{address}/healthz")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.headers["content-security-policy"] == CSP


def test_static_files_are_hashed_and_kept_for_ever(client: httpx2.Client) -> None:
    page = client.get("/inbox").text
    files = re.findall(r"/static/[\w.]+", page)
    assert len(set(files)) >= 3
    for file in set(files):
        answer = client.get(file)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/app.css").status_code == 404
    assert client.get("/static/..%2f..%2fpyproject.toml").status_code == 404


UNSAFE = ["/tickets/1/notes", "/tickets/1/change", "/review/1", "/channels/1/poll", "/channels/1/pause", "/logout"]


@pytest.mark.parametrize("path", UNSAFE)
def test_a_form_without_the_sessions_token_is_refused(client: httpx2.Client, path: str) -> None:
    for token in ("", "x" * 32):
        answer = client.post(path, data={"csrf": token, "body": "x"}, headers={"x-csrf-token": token})
        assert answer.status_code == 403, token
    assert client.get("/inbox").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", [*UNSAFE, "/login"])
def test_what_another_site_sends_is_refused(client: httpx2.Client, path: str, headers: dict[str, str]) -> None:
    assert client.post(path, data={"body": "x"}, headers=headers).status_code == 403


def test_a_field_the_form_does_not_have_is_refused(client: httpx2.Client, ledger: Ledger) -> None:
    number = web.ticket(ledger, web.mention(ledger, "mass", "x"), "Mass", "reddit||mass")
    answer = client.post(f"/tickets/{number}/change", data={"priority": "high", "customer_id": "1"})
    assert answer.status_code == 422
    assert web.value(ledger, "SELECT priority FROM tickets WHERE number = :n", n=number) == "normal"


def test_a_body_over_the_limit_is_refused_announced_or_not(client: httpx2.Client) -> None:
    assert client.post("/tickets/1/notes", data={"body": "x" * BODY_LIMIT}).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield b"body="
        for _ in range(8):
            yield b"x" * (BODY_LIMIT // 4)

    answer = client.post(
        "/tickets/1/notes", content=pieces(), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "q", ["'; DROP TABLE tickets; --", "\x00", "%", "a & | !", '"', "((", "\\", "😀" * 300, "%%%s{}"]
)
def test_odd_searches_find_nothing_and_break_nothing(client: httpx2.Client, q: str) -> None:
    for path in ("/inbox", "/customers"):
        assert client.get(path, params={"q": q}).status_code == 200, path
    for path in ("/api/v1/tickets", "/api/v1/customers", "/api/v1/mentions"):  # programs are told what they may send
        refused = len(q) > 200 or "\x00" in q
        assert client.get(path, params={"q": q}).status_code == (422 if refused else 200), path
    odd = {name: q for name in ("view", "sort", "page", "status", "team", "assignee", "platform", "said", "state")}
    for path in PAGES:
        assert client.get(path, params=odd).status_code == 200, path


def test_numbers_beyond_the_database_are_not_found(client: httpx2.Client) -> None:
    for path in ("/tickets/{}", "/customers/{}", "/flags/{}", "/api/v1/tickets/{}", "/api/v1/escalations/{}"):
        for number in ("0", "-1", str(2**63), str(2**200), "1.5", "x"):
            assert client.get(path.format(number)).status_code in (404, 422), (path, number)
    assert client.post(f"/review/{2**63}", data={"version": "1", "outcome": "ignore"}).status_code in (404, 422)
    assert client.post(f"/tickets/{2**63}/notes", data={"body": "x"}).status_code in (404, 422)
    assert client.post("/tickets/1/change", data={"assignee": str(2**63)}).status_code in (404, 409, 422)
