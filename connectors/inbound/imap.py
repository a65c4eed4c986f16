"""A mailbox by IMAP: what arrives in one folder, without marking anything as read.

UIDs ascend with arrival, so the position is the highest one read, together with UIDVALIDITY: when that changes every UID means another
mail, and the folder is read again from where the channel began; a mail is known by its Message-ID. `n:*` also names the last mail when it is
older than n. Mails of machines and our own are kept and ignored with that reason. https://www.rfc-editor.org/rfc/rfc3501
"""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import shape
from connectors.contract import Context, Page, Policy, State
from connectors.errors import ConfigError, CursorInvalid, MalformedItem, Transient
from connectors.inbound import _imap_mail as mails
from domain.nouns import Author, Mention
from domain.text import clean

PLATFORM = "email"
POLICY = Policy(source="https://www.rfc-editor.org/rfc/rfc3501")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HEAD = 16_384


class Settings(BaseModel):
    """A mailbox channel: one folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(description="The mail server", min_length=1, max_length=255)
    port: int = Field(default=993, ge=1, le=65_535, description="Its port for IMAP over TLS")
    username: str = Field(
        description="Whose mailbox; also an address of ours, whose mails open no ticket", min_length=1
    )
    password_env: str = Field(default="IMAP_PASSWORD", description="Environment variable with the password")
    folder: str = Field(default="INBOX", description="The folder to read", min_length=1, max_length=200)
    own: list[str] = Field(
        default=[], description="Further addresses of ours, whose mails open no ticket", max_length=200
    )
    tls: bool = Field(
        default=True, description="false only for a host named in allow_hosts: without TLS all can be read"
    )
    max_size: int = Field(
        default=5_000_000, ge=1000, le=9_000_000, description="Bytes; a larger mail is rejected, not read"
    )
    backfill: int = Field(default=1, ge=0, le=365, description="Days to go back when the channel is new")
    page_size: int = Field(default=25, ge=1, le=100, description="Mails per page")

    @field_validator("folder", "username", "host")
    @classmethod
    def _one_line(cls, text: str) -> str:
        if not text.isascii() or not text.isprintable():
            raise ValueError("write it in printable ASCII; a folder as the server names it (modified UTF-7)")
        return text


def describe(settings: Settings) -> str:
    """What is read; a change of it is another series of numbers."""
    return f"imap {settings.username}@{settings.host}/{settings.folder}"


def position(state: State) -> dict[str, Any]:
    """How far it has read, by listing: never goes back."""
    return {"": (state.get("uidvalidity") or 0, state.get("uid") or 0)}


class Connector:
    """State: {"v": 1, "uidvalidity", "uid", "since": day the channel began at}."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings, self.context = settings, context
        self.ours = {address.lower() for address in (settings.username, *settings.own)}

    def fetch_page(self, state: State) -> Page:
        """One session: the next mails after the position, oldest first."""
        from connectors.inbound._imap_wire import mailbox

        settings = self.settings
        state = dict(state) if state.get("v") == 1 else self._begin()
        with mailbox(settings.host, settings.port, settings.tls, self.context) as box:
            self._login(box)
            validity = box.look(settings.folder)
            if state["uidvalidity"] is not None and state["uidvalidity"] != validity:
                raise CursorInvalid(
                    "the mailbox numbers its mails anew", state={**state, "uidvalidity": validity, "uid": 0}
                )
            since = date.fromisoformat(state["since"])
            day = f"{since.day:02}-{MONTHS[since.month - 1]}-{since.year}"
            found = box.search("UID", f"{state['uid'] + 1}:*", "SINCE", day)
            new = [uid for uid in found if uid > state["uid"]]
            items, last, size = self._read(box, new[: settings.page_size])
        state |= {"uidvalidity": validity, "uid": max(last, state["uid"])}
        return Page(items, state, not new or last >= new[-1], bytes=size, uniform=False)

    def normalise(self, raw: Any) -> Mention:
        """One mail. Raises MalformedItem for one that is too large or cannot be taken apart."""
        mail = shape.mapping(raw)
        if mail.get("too_large") or mail.get("broken"):
            said = f"a mail of {mail.get('size')} bytes is larger than max_size ({mail.get('too_large')})"
            raise MalformedItem(said if mail.get("too_large") else f"a mail {shape.words(mail['broken'])}")
        if not mail.get("headers") and not mail.get("parts"):
            raise MalformedItem("an empty mail")
        text, guessed = mails.written(mail)
        attached = [clean(shape.words(name), 200)[0] for name in shape.items(mail.get("attachments"))]
        body = "\n".join([text, *(f"[attached: {name}]" for name in attached if name)]).strip()
        name, cut = clean(mails.header(mail, "subject"), 2000)
        content, cut_too = clean(body)
        arrived = shape.when(mail.get("at") if isinstance(mail.get("at"), str) else None)
        sent = mails.sent(mail)
        published, published_raw, flags = shape.clamp(
            sent or arrived, mails.header(mail, "date") or None, self.context.now()
        )
        address, shown = mails.sender(mail)
        above, chain = mails.ids(mail, "in-reply-to"), mails.ids(mail, "references")
        native_id = self._identity(mail, name, content)
        marks = (
            *(("own",) if address in self.ours else ()),
            *((kind,) if (kind := mails.machine(mail)) else ()),
            *(("charset-guessed",) if guessed else ()),
            *(("truncated",) if cut or cut_too else ()),
        )
        return Mention(
            PLATFORM,
            native_id,
            published,
            name=name,
            content=content,
            published_raw=published_raw,
            in_reply_to=next(iter(above or chain[-1:]), None),
            context=(chain or above or [native_id])[0],
            attributed_to=Author(address, address, clean(shown, 500)[0]) if address else None,
            metrics={"attachments": len(attached)} if attached else {},
            flags=flags + marks,
        )

    def _begin(self) -> State:
        first = self.context.now() - timedelta(
            days=self.settings.backfill + 1
        )  # SINCE knows days, of the server's own zone
        return {"v": 1, "uidvalidity": None, "uid": 0, "since": first.date().isoformat()}

    def _login(self, box: Any) -> None:
        password = self.context.secret(self.settings.password_env)
        if not password.isascii() or not password.isprintable():
            raise ConfigError(f"the password in {self.settings.password_env} is not printable ASCII")
        box.login(self.settings.username, password)

    def _read(self, box: Any, uids: list[int]) -> tuple[list[Any], int, int]:
        """The mails of a page, as many as its bytes allow; sizes are asked first, and not believed."""
        limit, budget = self.settings.max_size, self.context.max_bytes
        sizes = {one.uid: one.size for one in box.fetch(uids, "RFC822.SIZE")} if uids else {}
        chosen: list[int] = []
        for uid in uids:
            budget -= min(sizes.get(uid, 0), limit)
            if chosen and budget < 0:
                break
            chosen.append(uid)
        whole = [uid for uid in chosen if sizes.get(uid, 0) <= limit]
        large = [uid for uid in chosen if sizes.get(uid, 0) > limit]
        items = [self._raw(one, sizes.get(one.uid, 0)) for one in self._bodies(box, whole, f"[]<0.{limit + 1}>")]
        items += [
            {"uid": one.uid, "size": sizes[one.uid], "too_large": limit, "headers": mails.head(one.body)}
            for one in self._bodies(box, large, f"[HEADER]<0.{HEAD}>")
        ]
        if missing := set(sizes) & set(chosen) - {item["uid"] for item in items}:
            raise Transient(f"{len(missing)} mail(s) went while they were read; what is left is read again")
        items.sort(key=lambda item: int(item["uid"]))
        return items, max(chosen, default=0), sum(min(sizes.get(uid, 0), limit) for uid in chosen)

    def _bodies(self, box: Any, uids: list[int], section: str) -> list[Any]:
        return list(box.fetch(uids, f"INTERNALDATE BODY.PEEK{section}")) if uids else []

    def _raw(self, one: Any, size: int) -> dict[str, Any]:
        limit = self.settings.max_size
        told: dict[str, Any] = {"uid": one.uid, "size": max(size, len(one.body)), "at": _iso(one.at)}
        if len(one.body) > limit:  # some servers tell a size that is not the mail's
            return {**told, "too_large": limit, "headers": mails.head(one.body)}
        return told | mails.taken_apart(one.body)

    def _identity(self, mail: dict[str, Any], name: str, content: str) -> str:
        """The Message-ID; without one, a hash of what the mail says, the same whenever it is read."""
        given = mails.ids(mail, "message-id")
        bare = mails.header(mail, "message-id").strip("<> ")
        if given or (bare and " " not in bare):
            return (given or [bare])[0]
        parts = (mails.header(mail, "from"), mails.header(mail, "date"), name, content)
        return "sha256:" + sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
