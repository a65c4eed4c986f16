"""A mail server for submission and local delivery: as strict as the ones alerts meet, and as forgetful.

[5321] https://www.rfc-editor.org/rfc/rfc5321 (the dialogue)  [5322] https://www.rfc-editor.org/rfc/rfc5322 (the message)
[4954] https://www.rfc-editor.org/rfc/rfc4954 (AUTH)  [3207] https://www.rfc-editor.org/rfc/rfc3207 (STARTTLS)
A mail is kept before the answer to the final dot leaves; when that answer is lost, the client sends the mail again ([5321] 4.5.4.1
and 6.1): what tells the two apart is the Message-ID. Faults name a step as `method`: CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, DOT.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import re
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
import traceback
from email import message_from_bytes
from typing import Any

from town.http import Stand

PATH = re.compile(r"(FROM|TO):\s?<([^<>\s]*)>(?:\s(.*))?", re.IGNORECASE)
WORDS = {
    421: "4.3.2 Service shutting down, closing transmission channel",
    450: "4.2.1 Mailbox busy, try again later",
    451: "4.3.0 Local error in processing",
    452: "4.2.2 Mailbox full",
    454: "4.7.0 Temporary authentication failure",
    535: "5.7.8 Authentication credentials invalid",
    550: "5.1.1 No such mailbox",
    552: "5.3.4 Message too big",
    554: "5.7.1 Transaction failed",
}
SIZE = 1_000_000
ONE_OF = ("from", "date")  # exactly one ([5322] 3.6)
AT_MOST_ONE = ("sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject")


class Gone(Exception):
    """The connection is over."""


class Session(socketserver.StreamRequestHandler):
    """One connection: commands in order, one reply to each."""

    server: SmtpServer
    timeout = 60
    disable_nagle_algorithm = True

    def handle(self) -> None:
        self.helo, self.login, self.tls = "", "", self.server.implicit
        self._forget()
        with contextlib.suppress(Gone, OSError, ssl.SSLError):
            if self.tls:
                self._secure()
            self._step("CONNECT", lambda: (220, "town.example ESMTP"))
            while True:
                self._step(*self._command())

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        self.connection.close()  # the encrypted one is not the socket the server closes

    def _forget(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    # -- one step and its mishaps ---------------------------------------------------------------------------------------

    def _step(self, verb: str, act: Any) -> None:
        town, started = self.server.town, time.time()
        fault = next(iter(town.faults.pick("smtp", verb, verb)), None)
        options = fault.options if fault else {}
        if fault and fault.kind == "reset":
            self._reset()
        if fault and fault.kind == "status":
            code, words = int(options["status"]), ""
            if verb == "DOT":
                self._forget()
        else:
            code, words = act()
        note = ("smtp", verb, verb, "", code, started, 0.0, fault.kind if fault else "", 0, self.helo)
        town.ledger.note_request(note, [])
        if fault and fault.kind == "reset_after":
            self._reset()
        if fault and fault.kind == "hang":
            town.stopping.wait(float(options.get("seconds", 60)))
            raise Gone
        if fault and fault.kind == "drip":
            for byte in f"{code} {words}\r\n".encode():
                self.wfile.write(bytes([byte]))
                if town.stopping.wait(float(options.get("seconds", 5)) / 20):
                    raise Gone
            return
        self._say(code, words or WORDS.get(code, "OK"))
        if code in (221, 421):
            raise Gone
        if verb == "STARTTLS" and code == 220:
            self._secure()

    def _say(self, code: int, words: str) -> None:
        lines = words.split("\n")
        said = [f"{code}{'-' if n < len(lines) else ' '}{line}\r\n" for n, line in enumerate(lines, 1)]
        self.wfile.write("".join(said).encode())

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
        raise Gone

    def _secure(self) -> None:
        """From here on everything before is forgotten ([3207] 4.2)."""
        assert self.server.context
        self.connection = self.request = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), socketserver._SocketWriter(self.connection)
        self.helo, self.login, self.tls = "", "", True
        self._forget()

    # -- commands -------------------------------------------------------------------------------------------------------

    def _command(self) -> tuple[str, Any]:
        line = self.rfile.readline(1001)
        if not line:
            raise Gone
        verb, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
        verb = verb.upper()
        if len(line) > 1000 or not line.endswith(b"\r\n") or not line.isascii():
            return verb, lambda: (500, "5.5.2 Line too long, not ended by CRLF, or not ASCII")
        found = getattr(self, f"do_{verb.lower()}", None)
        if found is None:
            return verb, lambda: (500, "5.5.1 Command unrecognized")
        if verb == "DATA" and self.recipients:
            self._step("DATA", lambda: (354, "End data with <CR><LF>.<CR><LF>"))
            whole = self._message()
            return "DOT", lambda: self._take(whole)
        return verb, lambda: found(rest)

    def do_helo(self, rest: str) -> tuple[int, str]:
        self.helo = rest
        return (250, "town.example") if rest else (501, "5.5.4 Syntax: HELO hostname")

    def do_ehlo(self, rest: str) -> tuple[int, str]:
        self.helo = rest
        self._forget()
        offers = ["town.example", f"SIZE {SIZE}", "8BITMIME", "ENHANCEDSTATUSCODES"]
        if self.server.context and not self.tls:
            offers.append("STARTTLS")
        else:
            offers.append("AUTH PLAIN")  # never before encryption where there is any ([4954] 4)
        return (250, "\n".join(offers)) if rest else (501, "5.5.4 Syntax: EHLO hostname")

    def do_starttls(self, rest: str) -> tuple[int, str]:
        if not self.server.context or self.tls:
            return 502, "5.5.1 Not offered"
        return 220, "2.0.0 Ready to start TLS"

    def do_auth(self, rest: str) -> tuple[int, str]:
        if self.server.context and not self.tls:
            return 538, "5.7.11 Encryption required"
        if not self.helo or self.login:
            return 503, "5.5.1 Bad sequence of commands"
        kind, _, first = rest.partition(" ")
        if kind.upper() != "PLAIN":
            return 504, "5.5.4 Unrecognized authentication type"
        if not first:
            self._say(334, "")
            first = self.rfile.readline(1000).decode("ascii", "replace").strip()
        try:
            _, user, password = base64.b64decode(first, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            return 501, "5.5.2 Cannot decode"
        own = self.server.town.accounts["smtp"]
        if (user, password) != (own["username"], own["password"]):
            return 535, WORDS[535]
        self.login = user
        return 235, "2.7.0 Authentication successful"

    def do_mail(self, rest: str) -> tuple[int, str]:
        found = PATH.fullmatch(rest)
        if self.server.context and not self.tls:
            return 530, "5.7.0 Must issue a STARTTLS command first"
        if not self.helo or self.sender is not None:
            return 503, "5.5.1 Bad sequence of commands"
        if not found or found[1].upper() != "FROM":
            return 501, "5.5.4 Syntax: MAIL FROM:<address>"
        self.sender = found[2]
        return 250, "2.1.0 Sender OK"

    def do_rcpt(self, rest: str) -> tuple[int, str]:
        found = PATH.fullmatch(rest)
        if self.sender is None:
            return 503, "5.5.1 Bad sequence of commands"
        if not found or found[1].upper() != "TO" or "@" not in found[2]:
            return 501, "5.5.4 Syntax: RCPT TO:<address>"
        if not self.login and not found[2].lower().endswith("@northbank.example"):
            return 550, "5.7.1 Relaying denied"
        if found[2].lower().startswith("nobody@"):
            return 550, WORDS[550]
        self.recipients.append(found[2])
        return 250, "2.1.5 Recipient OK"

    def do_data(self, rest: str) -> tuple[int, str]:
        return 503, "5.5.1 No valid recipients"

    def do_rset(self, rest: str) -> tuple[int, str]:
        self._forget()
        return 250, "2.0.0 OK"

    def do_noop(self, rest: str) -> tuple[int, str]:
        return 250, "2.0.0 OK"

    def do_quit(self, rest: str) -> tuple[int, str]:
        return 221, "2.0.0 Bye"

    # -- the message ----------------------------------------------------------------------------------------------------

    def _message(self) -> bytes:
        """Up to the line that is a dot; leading dots are doubled on the way ([5321] 4.5.2)."""
        lines, size = [], 0
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise Gone
            size += len(line)
            if size <= SIZE + 1:
                lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines) if size <= SIZE else b"x" * (SIZE + 1)

    def _take(self, whole: bytes) -> tuple[int, str]:
        sender, recipients = self.sender, self.recipients
        self._forget()
        if len(whole) > SIZE:
            return 552, WORDS[552]
        if wrong := _wrong(whole):
            return 550, f"5.6.0 {wrong}"
        ident = str(message_from_bytes(whole)["message-id"] or "")
        with self.server.town.ledger.transaction() as db:
            db.execute(
                "INSERT INTO mails (at, tls, login, sender, recipients, message_id, message) VALUES (?,?,?,?,?,?,?)",
                (
                    time.time(),
                    int(self.tls),
                    self.login,
                    sender,
                    json.dumps(recipients),
                    ident,
                    whole.decode("latin-1"),
                ),
            )
        return 250, "2.0.0 Queued"


def _wrong(whole: bytes) -> str:
    """What a strict server refuses a message for; a bare CR or LF is how a second mail is smuggled in ([5321] 2.3.8)."""
    if re.search(rb"\r(?!\n)|(?<!\r)\n", whole):
        return "bare CR or LF"
    if any(len(line) > 998 for line in whole.split(b"\r\n")):  # [5322] 2.1.1
        return "line too long"
    head = whole.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        return "headers must be ASCII without SMTPUTF8"
    found = message_from_bytes(whole)
    names = [name.lower() for name in list(found)]
    if any(names.count(name) != 1 for name in ONE_OF) or any(names.count(name) > 1 for name in AT_MOST_ONE):
        return "a header is missing or stands there twice"
    if found.defects:
        return f"malformed: {type(found.defects[0]).__name__}"
    return ""


class Smtp(Stand):
    """The mail server's place in the town. `smtp_certificate`: a file with certificate and key, encryption is insisted on."""

    name = "smtp"
    scheme = "smtp"
    keys = {"username": "alerts@northbank.example", "password": "town-smtp-password"}
    options = {"smtp_certificate": "", "smtp_implicit": 0}

    def serve(self, port: int) -> SmtpServer:
        given = self.town.options
        return SmtpServer(self.town, port, str(given["smtp_certificate"]), bool(given["smtp_implicit"]))


class SmtpServer(socketserver.ThreadingTCPServer):
    """A port of the town that speaks SMTP. With a certificate it insists on STARTTLS, or begins with TLS when `implicit`."""

    daemon_threads = True
    block_on_close = False
    scheme = "smtp"

    def __init__(self, town: Any, port: int = 0, certificate: str = "", implicit: bool = False) -> None:
        self.town, self.implicit = town, implicit
        self.context: ssl.SSLContext | None = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self._open: set[socket.socket] = set()
        try:
            super().__init__(("127.0.0.1", port), Session)
        except OSError:
            super().__init__(("127.0.0.1", 0), Session)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.05,), name="town-smtp", daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            traceback.print_exc()


STAND_INS = (Smtp,)
