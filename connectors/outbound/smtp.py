"""A mail per effect, by SMTP: for teams whose helpdesk is a mailbox, and as a route for alerts.

https://www.rfc-editor.org/rfc/rfc5321 · https://www.rfc-editor.org/rfc/rfc8314 (encryption of submission)
The server cannot be asked what it took, so a mail whose answer was lost is sent again under the same Message-ID: most mailboxes
show such a pair once (https://www.rfc-editor.org/rfc/rfc5321#section-6.1 leaves that to them).
"""

import json
import re
import smtplib
import ssl
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors import guard
from connectors.contract import Context, Delivered
from connectors.errors import AuthError, ConfigError, Refused, Transient
from connectors.outbound._mail import Line
from connectors.outbound._text import canonical, clean, cut
from connectors.outbound._words import headline, plain
from domain.nouns import Notice

LABEL = "E-mail (SMTP)"
KINDS = (
    "ticket.create", "ticket.comment", "ticket.reply", "ticket.status", "flag.open", "flag.update", "flag.close", "automation.alert", "automation.event", "survey.ask",
)  # fmt: skip
REPLIES = "address"  # a mail to the one address the notice names, and to nobody else
TO_CUSTOMER = ("survey.ask", "ticket.reply")
GUARANTEE = (
    "at least once with a Message-ID made of the effect's key, the same on every repeat; a repeat happens only when the server's "
    "answer to the whole mail was lost"
)
TEXT_LIMIT = 64_000
PORTS = {"starttls": 587, "implicit": 465}
CALL_SECONDS = 20.0  # below the lease of the delivery step

# ASCII only: other addresses need SMTPUTF8, which few servers offer (https://www.rfc-editor.org/rfc/rfc6531).
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9][A-Za-z0-9.-]*$", max_length=254)]


class Settings(BaseModel):
    """A mail server that takes our mails (submission), and who receives them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(description="The mail server's name; a private one must be allowed by name.")
    port: int | None = Field(
        None, ge=1, le=65535, description="587 for starttls, 465 for implicit, 25 without encryption."
    )
    tls: Literal["starttls", "implicit", False] = Field(
        "starttls", description="Encryption: starttls, implicit, or false, which only a host in allow_hosts may have."
    )
    ca_file: str | None = Field(None, description="Certificates to trust in place of the system's, as a PEM file.")
    username: str | None = Field(None, description="Who logs in; left out, nobody does.")
    password_env: str | None = Field(None, description="Variable that holds the password.")
    sender: Address = Field(description="The address the mails come from; its domain makes the Message-IDs.")
    to: tuple[Address, ...] = Field(min_length=1, max_length=20, description="The addresses that receive every mail.")

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if (self.username is None) != (self.password_env is None):
            raise ValueError("give username and password_env, or neither")
        return self


class Desk:
    """One mail server; a connection per mail."""

    looks_up = False
    quiet = timedelta(0)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.port = settings.port or PORTS.get(settings.tls or "", 25)
        self._context = context

    def render(self, notice: Notice, remote: str | None) -> str:
        """What the mail will say, as data: the message made of it is the same each time but for its date."""
        if notice.kind == "ticket.reply":
            return self._reply(notice)
        first = remote or _first(notice.key, self._domain)
        return canonical(
            {
                "message_id": message_id(notice.key, self._domain),
                "references": first if first != message_id(notice.key, self._domain) else None,
                **({"to": [notice.body["to"]]} if notice.kind in TO_CUSTOMER else {}),  # the customer, and nobody else
                "subject": headline(notice).replace("=?", "= ?"),  # see _message
                "text": cut(_words(notice), TEXT_LIMIT, "[cut: the whole text is in Earmark]")
                + f"\n\nref {notice.key}",
            }
        )

    def _reply(self, notice: Notice) -> str:
        """A person's answer to the customer: their words and nothing of ours, in the thread of the mail it answers, if there is one."""
        body, subject = notice.body, headline(Notice(notice.kind, notice.key, {"subject": notice.body.get("subject")}))
        above = str(body.get("in_reply_to") or "")
        return canonical(
            {
                "message_id": message_id(notice.key, self._domain),
                "references": above if _MESSAGE_ID.fullmatch(above) else None,
                "to": [body["to"]],
                "subject": (subject if subject.lower().startswith("re:") else f"Re: {subject}").replace("=?", "= ?"),
                "text": cut(clean(str(body.get("text") or "")), TEXT_LIMIT, "[cut]"),
                "by": "person",
            }
        )

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        wanted = json.loads(request)
        message = _checked(self._message(wanted))
        with self._open() as line:
            refused = self._envelope(line, self._to(wanted))
            code, said = line.whole(message)
            if not 200 <= code < 600 or 300 <= code < 400:
                raise Transient(f"{self.settings.host} answered the mail with something else than SMTP", status=None)
            if code >= 400:
                raise self._no(code, said, "the mail", Refused)
        detail = f"{len(refused)} of {len(self._to(wanted))} addresses refused ({refused[0]})" if refused else ""
        return Delivered(remote_id=str(wanted["message_id"]), detail=detail)

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        return None

    @property
    def _domain(self) -> str:
        return self.settings.sender.rpartition("@")[2]

    def _message(self, wanted: dict[str, Any]) -> EmailMessage:
        """Headers are set through the library, which refuses a line break in any of them, but not one in an encoded word that
        it takes apart itself (=?utf-8?q?=0D=0ABcc:…?=): no subject has one, and what came of the headers is looked at again.
        """
        message = EmailMessage(policy=SMTP)
        message["From"] = self.settings.sender
        message["To"] = ", ".join(self._to(wanted))
        message["Subject"] = wanted["subject"]
        message["Date"] = format_datetime(self._context.now())
        message["Message-ID"] = wanted["message_id"]
        if wanted["references"]:
            message["In-Reply-To"] = message["References"] = wanted["references"]
        if wanted.get("by") != "person":
            message["Auto-Submitted"] = "auto-generated"  # RFC 3834: out-of-office replies stay away
        message.set_content(wanted["text"], cte="base64")
        return message

    # -- the dialogue ---------------------------------------------------------------------------------------------------

    def _open(self) -> Line:
        """A greeted, encrypted and authenticated connection. Nothing is sent before that, so nothing here leaves a doubt."""
        own, context = self.settings, self._context
        named = guard.normal_host(own.host) in {guard.normal_host(host) for host in context.allow_hosts}
        if own.tls is False and not named:
            raise ConfigError(
                f"Mail to {own.host} would go without encryption.",
                advice="Set tls: starttls, or name the host under settings: allow_hosts.",
            )
        line = Line(own.host, self.port, min(context.deadline, CALL_SECONDS), context.allow_hosts)
        try:
            line.begin(self._trusted() if own.tls else None, implicit=own.tls == "implicit", helo=self._domain)
            if own.username is not None and own.password_env is not None:
                line.login(own.username, context.secret(own.password_env))
        except smtplib.SMTPResponseException as error:
            line.close()
            raise self._no(error.smtp_code, error.smtp_error, "the connection", AuthError) from error
        except smtplib.SMTPNotSupportedError as error:
            line.close()
            raise ConfigError(
                f"{own.host} does not offer what we need: {error}", advice="Check port and tls."
            ) from error
        except BaseException:
            line.close()
            raise
        return line

    def _trusted(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"{Path(str(self.settings.ca_file)).name} holds no certificates.", advice="ca_file names a PEM file."
            ) from error

    def _to(self, wanted: dict[str, Any]) -> tuple[str, ...]:
        """Who receives it: the configured addresses, or the one customer a question is for, if it is an address at all."""
        if not wanted.get("to"):
            return self.settings.to
        for address in wanted["to"]:
            if not _PLAIN.fullmatch(str(address)):
                raise Refused("The customer's address is none a mail can be sent to.")
        return tuple(str(address) for address in wanted["to"])

    def _envelope(self, line: Line, to: tuple[str, ...]) -> list[int]:
        """Sender and recipients are the configuration's: a refusal of them is no mail's fault. Returns the codes of refusals."""
        final = (
            ConfigError if tuple(to) == self.settings.to else Refused
        )  # a customer's address is no fault of the desk
        code, said = line.mail(self.settings.sender)
        if code != 250:
            raise self._no(code, said, "the sender", ConfigError)
        answers = [line.rcpt(address) for address in to]
        for code, said in answers:
            if 400 <= code < 500:  # all or none: what is sent to some now would reach them twice later
                raise self._no(code, said, "an address", final)
        refused = [(code, said) for code, said in answers if code not in (250, 251)]
        if len(refused) == len(answers):
            raise self._no(*refused[0], "every address", final)
        return [code for code, _ in refused]

    def _no(
        self, code: int, said: bytes | str, what: str, final: type[AuthError] | type[ConfigError] | type[Refused]
    ) -> Exception:
        """A complete refusal: 4yz means later, 5yz means never (RFC 5321 4.2.1). Neither leaves a doubt."""
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        words = _ADDRESS.sub("(address)", " ".join(words.split()))[:300]
        text = f"{self.settings.host} refused {what} ({code}): {words}"
        if 400 <= code < 500 or not 500 <= code < 600:
            return Transient(text, sent=False, status=code)
        advice = "" if final is Refused else "Check the desk's settings, then resume it."
        return final(text, advice=advice, status=code)


def _checked(message: EmailMessage) -> bytes:
    """The bytes, if their headers are the ones that were set, each on its own line."""
    whole = message.as_bytes(policy=SMTP)
    lines = whole.partition(b"\r\n\r\n")[0].split(b"\r\n")
    names = [line.partition(b":")[0].decode("ascii", "replace") for line in lines if line[:1] not in b" \t"]
    if names != list(message.keys()):
        raise Refused("This mail's headers would hold a line break: it is not sent.")
    return whole


_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9][A-Za-z0-9.-]*")
_ADDRESS = re.compile(r"[^\s@\"'<>:;,(]+@[^\s@\"'<>:;,)]+")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,200}@[!-;=?-~]{1,200}>")  # RFC 5322 3.6.4, without what nobody writes
_FLAG_KEY = re.compile(r"em-f(\d+)-\d+-(.+)", re.DOTALL)


def _words(notice: Notice) -> str:
    """What it says. A question to a customer is our own text and stands unquoted."""
    return str(notice.body.get("text") or "") if notice.kind == "survey.ask" else plain(notice)


def message_id(key: str, domain: str) -> str:
    """What mailboxes know the effect by. A key may hold letters no header may: they are written in percent."""
    return f"<{quote(key, safe='')}@{domain}>"


def _first(key: str, domain: str) -> str | None:
    """The Message-ID of a flag's first mail, which its later ones follow; a ticket's is known from its delivery."""
    found = _FLAG_KEY.fullmatch(key)
    return message_id(f"em-f{found[1]}-1-{found[2]}", domain) if found else None
