"""A mailbox by IMAP4rev1: as much of the protocol as a reader needs, and the places where readers stumble.

[rfc] https://www.rfc-editor.org/rfc/rfc3501  [codes] https://www.rfc-editor.org/rfc/rfc5530 (what a NO means)
UIDs ascend in the order of arrival and mean something together with UIDVALIDITY only ([rfc] 2.3.1.1); a set `n:*` always holds the last
mail, even when n is higher ([rfc] 6.4.8); BODY[] marks a mail as read, BODY.PEEK[] does not ([rfc] 6.4.5); SINCE looks at the internal
date and disregards time and zone ([rfc] 6.4.4).
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import socketserver
import struct
import threading
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from town.faults import Fault
from town.http import Stand
from town.posts import Post

CAPABILITY = "CAPABILITY IMAP4rev1 LITERAL+"
ITEM = re.compile(r"BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?|RFC822\.SIZE|INTERNALDATE|FLAGS|UID", re.IGNORECASE)
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^)]*\))|(\S+)')


class Imap(Stand):
    """One mailbox, INBOX, and what arrives in it."""

    name = "imap"
    scheme = "imap"
    keys = {"username": "help@northbank.example", "password": 'town "imap" password'}
    secrets = {"IMAP_PASSWORD": keys["password"]}
    edits = False
    says_when = False  # a mailbox that throttles does not say until when

    def __init__(self, town: Any) -> None:
        super().__init__(town)
        self.posts: dict[str, Post] = {}
        self.waiting: list[Post] = []
        self.renumber()

    # -- what people do -----------------------------------------------------------------------------------------

    def make(
        self,
        text: str,
        *,
        seq: int,
        created: float,
        visible_from: float,
        title: str = "",
        author: str = "someone",
        origin: str = "INBOX",
        parent: str | None = None,
        lang: str | None = None,
        malformed: str = "",
        **extra: Any,
    ) -> Post:
        """extra: html, charset, attachment (a name), headers ({name: value or None to leave it out}), padding (bytes),
        raw (the whole mail, latin-1)."""
        native_id = f"mail-{seq}@town.example"
        above = self.posts.get(parent or "")
        return Post(
            "imap",
            origin,
            native_id,
            "mail",
            author,
            title or text[:60],
            text,
            created,
            visible_from,
            seq,
            parent,
            above.thread if above else native_id,
            lang,
            malformed=malformed,
            extra=extra,
        )

    def take(self, post: Post) -> None:
        self.posts[post.native_id] = post
        self.waiting.append(post)

    def warm(self, post: Post) -> None:
        self.source(post)

    def edit(self, native_id: str, text: str, now: float) -> list[Post]:
        raise ValueError("a mail cannot be edited")

    def delete(self, native_id: str, shown: bool) -> Post:
        """Expunged, or (shown) moved to another folder: for a reader of INBOX the same."""
        post = self.posts[native_id]
        post.deleted = "gone"
        self.uids = {uid: kept for uid, kept in self.uids.items() if kept is not post}
        return post

    def renumber(self) -> None:
        """The mailbox was restored or moved: every UID is another, and UIDVALIDITY says so. Also after a restart: legal, if unkind."""
        self.validity = max(int(time.time()), getattr(self, "validity", 0) + 1)
        self.uids: dict[int, Post] = {}
        self.next_uid = 1
        self.seen: set[str] = set()
        self.waiting = [post for post in self.posts.values() if not post.deleted]

    def settle(self) -> None:
        """What has arrived by now gets its UID, in the order of arrival."""
        now = time.time()
        due = sorted((p for p in self.waiting if p.visible_from <= now), key=lambda p: (p.visible_from, p.seq))
        self.waiting = [post for post in self.waiting if post.visible_from > now]
        for post in due:
            if not post.deleted:
                self.uids[self.next_uid] = post
                self.next_uid += 1

    def serve(self, port: int) -> ImapServer:
        return ImapServer(self.town, self, port)

    def channel(self, page_size: int) -> dict[str, Any]:
        place = {"host": "127.0.0.1", "port": self.town.servers["imap"].server_address[1], "tls": False}
        return {"kind": "imap", **place, "username": self.keys["username"], "page_size": page_size}

    def says(self, rng: random.Random, n: int) -> dict[str, Any]:
        return {**super().says(rng, n), "origin": "INBOX"}

    def passes(self, rng: random.Random) -> None:
        if rng.random() < 0.1:
            self.renumber()

    # -- the mails themselves -----------------------------------------------------------------------------------

    def source(self, post: Post) -> bytes:
        found = post.cache.get("source")
        if found is None:
            found = post.cache["source"] = self._written(post).decode("latin-1")
        return found.encode("latin-1")

    def _written(self, post: Post) -> bytes:
        if "raw" in post.extra:
            return str(post.extra["raw"]).encode("latin-1")
        mail = EmailMessage()
        chain = []
        above = self.posts.get(post.parent or "")
        while above:
            chain.insert(0, f"<{above.native_id}>")
            above = self.posts.get(above.parent or "")
        headers = {
            "Message-ID": f"<{post.native_id}>",
            "Date": format_datetime(datetime.fromtimestamp(post.created, UTC)),
            "From": f"{str(post.author).title()} <{post.author}@example.org>",
            "To": "help@northbank.example",
            "Subject": post.title,
            "In-Reply-To": chain[-1] if chain else None,
            "References": " ".join(chain) or None,
        } | post.extra.get("headers", {})
        for name, value in headers.items():
            if value is not None:
                mail[name] = value
        if "html" in post.extra:
            mail.set_content(post.extra["html"], subtype="html")
        else:
            mail.set_content(
                post.text + "\n" + "x" * int(post.extra.get("padding", 0)), charset=post.extra.get("charset", "utf-8")
            )
        if name := post.extra.get("attachment"):
            mail.add_attachment(b"\x00\x01binary", maintype="application", subtype="pdf", filename=name)
        written: bytes = mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return written


class Session(socketserver.StreamRequestHandler):
    """One connection: greeting, commands, goodbye."""

    disable_nagle_algorithm = True  # answers are many small lines
    server: ImapServer

    def handle(self) -> None:
        self.stand, self.town = self.server.stand, self.server.town
        self.user = self.folder = ""
        self.readonly = True
        with contextlib.suppress(OSError, Gone):
            self.line(f"* OK [{CAPABILITY}] town ready")
            while not self.town.stopping.is_set():
                if not self.command():
                    return

    def line(self, text: str) -> None:
        self.wfile.write(text.encode("latin-1", "replace") + b"\r\n")

    def command(self) -> bool:
        text = self.read_command()
        if not text:
            return False
        tag, _, rest = text.partition(" ")
        parts = [
            quoted.replace('\\"', '"').replace("\\\\", "\\") or group or word
            for quoted, group, word in TOKEN.findall(rest)
        ]
        name = (
            " ".join(parts[:2]).upper() if parts and parts[0].upper() == "UID" else (parts[0].upper() if parts else "")
        )
        arguments = parts[2:] if name.startswith("UID") else parts[1:]
        faults = self.town.faults.pick("imap", name, name if name.startswith("UID") else f"session {name}")
        started = time.time()
        mishap = next((f for f in faults if f.kind not in ("shift", "duplicate", "malformed")), None)
        if mishap and self.before(tag, name, mishap):
            self.note(name, rest, started, mishap, [])
            return mishap.kind in ("429", "401", "status")
        with self.town.ledger.leaving():
            done = self.do(tag, name, arguments, mishap, any(f.kind == "duplicate" for f in faults))
            items = [("imap", "INBOX", post.native_id, post.native_id, 0) for post in done]
            self.note(name, "" if name == "LOGIN" else rest, started, mishap, items)
        for fault in faults:
            if fault.kind == "shift" and name == "UID FETCH":
                for n in range(int(fault.options.get("posts", 5))):
                    self.town.post("imap", f"northbank: one more while you were reading, {n}", author=f"late{n}")
        return name != "LOGOUT"

    def read_command(self) -> str:
        """One command with its literals ([rfc] 4.3; LITERAL+ needs no go-ahead)."""
        whole = ""
        while True:
            line = self.rfile.readline(65_536).decode("latin-1")
            if not line.endswith("\n"):
                return ""
            whole += line.rstrip("\r\n")
            literal = re.search(r"\{(\d+)(\+?)\}$", whole)
            if not literal:
                return whole
            if not literal[2]:
                self.line("+ go ahead")
            held = self.rfile.read(int(literal[1])).decode("latin-1").replace("\\", "\\\\").replace('"', '\\"')
            whole = whole[: literal.start()] + f'"{held}"'

    def before(self, tag: str, name: str, mishap: Fault) -> bool:
        """Mishaps that come in place of an answer. True when one was played."""
        if mishap.kind == "429":
            self.line(f"{tag} NO [LIMIT] Too many requests, slow down")  # [codes]
        elif mishap.kind == "status":
            self.line(f"{tag} NO [UNAVAILABLE] Temporary failure of a subsystem")
        elif mishap.kind == "401":
            self.line(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials")
        elif mishap.kind == "bad_json":
            self.wfile.write(b"* \x00\xff???\r\n")
        elif mishap.kind in ("html", "empty"):
            self.wfile.write(b"<html>We'll be right back</html>\r\n" if mishap.kind == "html" else b"")
        elif mishap.kind == "reset":
            self.reset()
        elif mishap.kind == "hang":
            self.town.stopping.wait(float(mishap.options.get("seconds", 60)))
        elif name == "UID SEARCH":
            self.wfile.write(b"* SEARCH 1 2")
        elif name == "UID FETCH":
            return False  # played in the middle of the mail
        return True

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def note(self, name: str, rest: str, started: float, mishap: Fault | None, items: list[Any]) -> None:
        row = (
            "imap",
            name,
            "/" + name,
            rest,
            200,
            started,
            round((time.time() - started) * 1000, 2),
            mishap.kind if mishap else "",
            len(items),
            "",
        )
        self.town.ledger.note_request(row, items)

    # -- commands -----------------------------------------------------------------------------------------------

    def do(self, tag: str, name: str, arguments: list[str], mishap: Fault | None, twice: bool) -> list[Post]:
        if name == "CAPABILITY":
            self.line(f"* {CAPABILITY}")
        elif name == "LOGOUT":
            self.line("* BYE until next time")
        elif name == "LOGIN" and not self.user:
            own = self.town.accounts["imap"]
            if arguments != [own["username"], own["password"]]:
                self.line(f"{tag} NO [AUTHENTICATIONFAILED] Invalid credentials")
                return []
            self.user = arguments[0]
        elif name in ("SELECT", "EXAMINE") and self.user and arguments:
            if arguments[0].upper() != "INBOX":
                self.line(f"{tag} NO [NONEXISTENT] Unknown mailbox")
                return []
            self.select(name == "EXAMINE")
        elif name == "UID SEARCH" and self.folder and arguments:
            return self.search(tag, arguments)
        elif name == "UID FETCH" and self.folder and len(arguments) == 2:
            return self.fetch(tag, arguments, mishap, twice)
        elif name != "NOOP":
            self.line(f"{tag} BAD Unknown command, or not now")
            return []
        self.line(f"{tag} OK done")
        return []

    def select(self, readonly: bool) -> None:
        with self.town.lock:
            self.stand.settle()
            count, validity, following = len(self.stand.uids), self.stand.validity, self.stand.next_uid
        self.folder, self.readonly = "INBOX", readonly
        self.line(r"* FLAGS (\Seen \Deleted)")
        self.line(f"* {count} EXISTS")
        self.line(f"* OK [UIDVALIDITY {validity}] UIDs valid")
        self.line(f"* OK [UIDNEXT {following}] next UID")

    def search(self, tag: str, arguments: list[str]) -> list[Post]:
        with self.town.lock:
            self.stand.settle()
            found = dict(self.stand.uids)
        words = list(arguments)
        while words:
            word = words.pop(0).upper()
            if word == "UID" and words:
                wanted = self.chosen(words.pop(0))
                found = {uid: post for uid, post in found.items() if uid in wanted}
            elif word == "SINCE" and words:
                try:
                    day = datetime.strptime(words.pop(0), "%d-%b-%Y").replace(tzinfo=UTC)
                except ValueError:
                    self.line(f"{tag} BAD not a date")
                    return []
                found = {uid: post for uid, post in found.items() if arrived(post).date() >= day.date()}
            elif word != "ALL":
                self.line(f"{tag} BAD unknown search key")
                return []
        self.line("* SEARCH" + "".join(f" {uid}" for uid in sorted(found)))
        self.line(f"{tag} OK done")
        return []

    def chosen(self, numbers: str) -> set[int]:
        """A set of UIDs; in `n:*` the star is the last mail, whichever is higher ([rfc] 6.4.8)."""
        last = max(self.stand.uids, default=0)
        found: set[int] = set()
        for part in numbers.split(","):
            first, _, end = part.partition(":")
            ends = [last if one == "*" else int(one) for one in (first, end or first)]
            found |= {uid for uid in self.stand.uids if min(ends) <= uid <= max(ends)}
        return found

    def fetch(self, tag: str, arguments: list[str], mishap: Fault | None, twice: bool) -> list[Post]:
        wanted = self.chosen(arguments[0])
        with self.town.lock:
            mails = sorted((uid, post) for uid, post in self.stand.uids.items() if uid in wanted)
        whole = []
        for place, (uid, post) in enumerate([*mails, *mails[:1]] if twice else mails, 1):
            answer, body = self.fetched(uid, post, arguments[1])
            if mishap:
                self.wfile.write(f"* {place} FETCH (".encode() + answer[: len(answer) * 2 // 3])
                if mishap.kind == "reset_mid":
                    self.reset()
                raise Gone
            self.wfile.write(f"* {place} FETCH (".encode() + answer + b")\r\n")
            whole += [post] if body else []
        self.line(f"{tag} OK done")
        return whole

    def fetched(self, uid: int, post: Post, items: str) -> tuple[bytes, bool]:
        """The items asked for, bodies as literals; whether the whole mail was among them."""
        parts, body, source = [], False, self.stand.source(post)
        for item in ITEM.finditer(items):
            name = item[0].upper()
            if name == "UID":
                parts.append(b"UID %d" % uid)
            elif name == "RFC822.SIZE":
                parts.append(b"RFC822.SIZE %d" % len(source))
            elif name == "INTERNALDATE":
                parts.append(b'INTERNALDATE "' + arrived(post).strftime("%d-%b-%Y %H:%M:%S +0000").encode() + b'"')
            elif name == "FLAGS":
                parts.append(b"FLAGS (" + (b"\\Seen" if post.native_id in self.stand.seen else b"") + b")")
            else:
                text, section = source, (item[2] or "").upper()
                if section == "HEADER":
                    text = source.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                shown = f"BODY[{section}]"
                if item[3]:
                    text = text[int(item[3]) : int(item[3]) + int(item[4])]
                    shown += f"<{item[3]}>"
                body = body or (not section and len(text) == len(source))
                if not item[1] and not self.readonly:
                    self.stand.seen.add(post.native_id)
                parts.append(f"{shown} {{{len(text)}}}\r\n".encode() + text)
        return b" ".join(parts), body


class Gone(Exception):
    """The connection ends here."""


def arrived(post: Post) -> datetime:
    """The internal date: when it came in, not what its Date header says."""
    return datetime.fromtimestamp(post.visible_from, UTC)


class ImapServer(socketserver.ThreadingTCPServer):
    """A port of the town that speaks IMAP."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, town: Any, stand: Imap, port: int = 0) -> None:
        self.town, self.stand = town, stand
        self.open: set[socket.socket] = set()
        try:
            super().__init__(("127.0.0.1", port), Session)
        except OSError:
            super().__init__(("127.0.0.1", 0), Session)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), name="town-imap", daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no event: Session lets nothing but bugs through."""
        super().handle_error(request, client_address)


STAND_INS = (Imap,)
