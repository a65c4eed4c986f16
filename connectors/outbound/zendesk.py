"""Zendesk Support: tickets with an idempotency key, comments that are looked for before they are repeated.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/ · …/ticketing/introduction/#idempotency
Text from outside goes into private notes: a public comment would be e-mailed to people. Only `ticket.reply`, which a person wrote for
the customer, is public.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.contract import Context, Delivered, Remark, State, Told
from connectors.errors import ConfigError, Permanent, Refused, Transient
from connectors.outbound._text import canonical, clean, cut
from connectors.outbound._wire import Answer, Wire, fields
from connectors.outbound._zendesk_audits import Account, Reading, remark
from domain.nouns import Notice

LABEL = "Zendesk Support"
KINDS = ("ticket.create", "ticket.comment", "ticket.reply", "ticket.status", "ticket.update")
REPLIES = "desk"  # a public comment: Zendesk tells the requester, at the address it has of them
GUARANTEE = (
    "exactly once: creation by external_id look-up and Idempotency-Key (Zendesk keeps the key two hours), comments by a look-up of "
    "their reference line, public replies and changes of fields by a look-up of the key in the change's metadata"
)
BODY_LIMIT = 64 * 1024 - 1  # Zendesk cuts the rest without a word
SUBJECT_LIMIT = 255
PRIORITY = {"low": "low", "normal": "normal", "high": "high", "urgent": "urgent"}
STATUS = {
    "new": "new",
    "open": "open",
    "pending": "pending",
    "hold": "hold",
    "resolved": "solved",
    "closed": "solved",
    "muted": "pending",
}


class Settings(BaseModel):
    """A Zendesk account. Give `subdomain`, or `base_url` for another address; OAuth, or an agent's e-mail and API token."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    subdomain: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]+$", description="The account: https://SUBDOMAIN.zendesk.com."
    )
    base_url: str | None = Field(None, description="Address of the account, in place of `subdomain`.")
    oauth_token_env: str | None = Field(None, description="Variable that holds an OAuth access token (recommended).")
    email: str | None = Field(None, description="The agent the API token belongs to.")
    token_env: str | None = Field(None, description="Variable that holds the API token; Zendesk retires these in 2027.")
    tags: tuple[str, ...] = Field(("earmark",), description="Tags of every ticket.")
    group_id: int | None = Field(None, description="Group that gets the tickets.")
    ticket_form_id: int | None = Field(None, description="Form of the tickets, where the account has several.")
    custom_fields: Mapping[int, str] = Field({}, description="Values of custom fields, by field id.")
    fields: Mapping[str, int] = Field(
        {}, description="Custom field here: id of its counterpart there, kept alike both ways."
    )
    statuses: Mapping[str, str] = Field(STATUS, description="Our status: the account's.")
    two_way: bool = Field(False, description="Take over what agents do there. The account must be an administrator's.")
    pull: int = Field(60, ge=1, le=86_400, description="Seconds between two looks at what changed there.")
    webhook_secret_env: str | None = Field(
        None, description="Variable that holds the signing secret of a Zendesk webhook to /hooks/desks/NAME."
    )
    quiet: float = Field(10.0, ge=0, le=600, description="Seconds to wait before a look-up is believed.")

    @model_validator(mode="after")
    def _complete(self) -> "Settings":
        if (self.subdomain is None) == (self.base_url is None):
            raise ValueError("give either subdomain or base_url")
        if self.oauth_token_env is None and (self.email is None or self.token_env is None):
            raise ValueError("give oauth_token_env, or email and token_env")
        return self


def two_way(settings: Settings) -> int | None:
    """Seconds between two pulls; None when the desk is only written to."""
    return settings.pull if settings.two_way else None


def shared(settings: Settings) -> tuple[str, ...]:
    """Our custom fields that have a counterpart there."""
    return tuple(sorted(settings.fields))


class Desk:
    """One Zendesk account."""

    looks_up = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.quiet = timedelta(seconds=settings.quiet)
        self.base = (settings.base_url or f"https://{settings.subdomain}.zendesk.com").rstrip("/")
        self.wire = Wire("Zendesk", context, [self.base])
        self._context = context
        self._people: dict[int, Account] = {}

    # -- what is sent ---------------------------------------------------------------------------------------------------

    def render(self, notice: Notice, remote: str | None) -> str:
        """The request's exact body; a key of its own keeps two texts apart that differ by one byte."""
        match notice.kind:
            case "ticket.create":
                return _signed(self._ticket(notice), notice.key)
            case "ticket.comment":
                return _signed({"comment": {"body": _note(notice), "public": False}}, notice.key)
            case "ticket.reply":  # without our reference line: the customer reads it
                body = cut(clean(str(notice.body.get("text") or "")).strip() or "(no text)", BODY_LIMIT, "[cut]")
                return _signed({"comment": {"body": body, "public": True}}, notice.key)
            case "ticket.status":
                return _signed({"status": self._status(notice)}, notice.key)
            case "ticket.update":
                return _signed(self._fields(notice), notice.key)
        raise Refused(f"Zendesk takes tickets, not {notice.kind}.", advice="Send flags to an alert route.")

    def _status(self, notice: Notice) -> str:
        status = str(notice.body.get("status", ""))
        if status not in self.settings.statuses:
            raise Refused(f"Zendesk has no status for our {status!r}.", advice="Add it to the desk's `statuses`.")
        return self.settings.statuses[status]

    def _fields(self, notice: Notice) -> dict[str, Any]:
        """`assignee_email` is write only and names an agent there; nobody is an id of null."""
        body, wanted = notice.body, dict[str, Any]()
        if "status" in body:
            wanted["status"] = self._status(notice)
        if "priority" in body:
            wanted["priority"] = PRIORITY.get(str(body["priority"]), "normal")
        if "assignee" in body:
            wanted |= {"assignee_email": body["assignee"]} if body["assignee"] else {"assignee_id": None}
        for ours, theirs in (("on", "additional_tags"), ("off", "remove_tags")):
            if tags := [
                tag for tag, is_ in (body.get("tags") or {}).items() if is_ == ours and tag not in self.settings.tags
            ]:
                wanted[theirs] = tags
        values = [
            (self.settings.fields[name], value)
            for name, value in (body.get("fields") or {}).items()
            if name in self.settings.fields
        ]
        if values:
            wanted["custom_fields"] = [{"id": id_, "value": value or None} for id_, value in values]
        return wanted

    def _ticket(self, notice: Notice) -> dict[str, Any]:
        body = notice.body
        customer: Mapping[str, Any] = body.get("customer") or {}
        # An inline requester without a name is refused when the user is new (https://github.com/Speedygeek/ZendeskApi_v2/issues/95).
        requester = {
            "name": cut(clean(str(customer.get("name") or "")).strip() or "Unknown author", SUBJECT_LIMIT, "…")
        }
        if customer.get("email"):
            requester["email"] = str(customer["email"])
        elif customer.get("id") is not None:
            requester["external_id"] = f"em-customer-{customer['id']}"
        ticket = {
            "subject": cut(clean(str(body.get("subject") or "")).strip() or "(no subject)", SUBJECT_LIMIT, "…"),
            "comment": {"body": _description(notice), "public": False},
            "requester": requester,
            "priority": PRIORITY.get(str(body.get("priority")), "normal"),
            "tags": list(self.settings.tags),
            "external_id": external_id(notice.key),
            "group_id": self.settings.group_id,
            "ticket_form_id": self.settings.ticket_form_id,
            "custom_fields": [{"id": k, "value": v} for k, v in sorted(self.settings.custom_fields.items())],
        }
        return {k: v for k, v in ticket.items() if v not in (None, [])}

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        if notice.kind == "ticket.create":
            return self._create(request, notice.key)
        if not remote:
            raise Refused("This ticket has no counterpart at Zendesk to add to.")
        answer = self._call("PUT", f"/tickets/{quote(remote, safe='')}", request)
        if answer.status == 422 and b"closed prevents ticket update" in answer.body:
            return self._follow_up(notice, request, remote)
        found = self.wire.expect(answer, 200)
        return Delivered(
            str(fields(found, "audit").get("id") or fields(found, "ticket").get("id") or ""), self._url(remote)
        )

    def _create(self, request: str, key: str) -> Delivered:
        answer = self._call("POST", "/tickets", request, {"Idempotency-Key": key})
        if answer.status == 409 or (answer.status == 400 and b"IdempotentRequestError" in answer.body):
            # Both mean that Zendesk has seen this key: the look-up will find what it made
            # (https://github.com/alphagov/support/issues/273).
            raise Transient("Zendesk has seen this key before; looking for its ticket.", status=answer.status)
        if answer.status in (404, 410):
            raise ConfigError(f"There is no Zendesk at {self.base}.", advice="Check the address.", status=answer.status)
        ticket = fields(self.wire.expect(answer, 201, 200), "ticket")
        if not ticket.get("id"):
            raise Transient("Zendesk accepted a ticket without telling its id.", status=answer.status)
        return Delivered(str(ticket["id"]), self._url(str(ticket["id"])))

    def _follow_up(self, notice: Notice, request: str, remote: str) -> Delivered:
        """A closed ticket takes nothing more: what comes after it goes into a follow-up, under a key of its own."""
        if notice.kind not in ("ticket.comment", "ticket.reply"):
            raise Refused(f"Zendesk ticket {remote} is closed for good.", status=422)
        comment = json.loads(request)["ticket"]["comment"]
        wanted = {
            "via_followup_source_id": int(remote) if remote.isdigit() else remote,
            "comment": comment,
            "external_id": external_id(notice.key),
            "tags": list(self.settings.tags),
        }
        made = self._create(_signed(wanted, notice.key), notice.key)
        return Delivered(made.remote_id, made.url, f"follow-up of closed ticket {remote}", moved_to=made.remote_id)

    # -- what is there already ------------------------------------------------------------------------------------------

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        """Ask the primary store, never the search index, which is minutes behind."""
        if notice.kind in ("ticket.reply", "ticket.status", "ticket.update"):
            # set twice, a field would undo what an agent did in between
            done = next((a for a in self._audits(remote) if Reading.of(a).key == notice.key), None) if remote else None
            if done or notice.kind != "ticket.reply":
                return Delivered(str(done["id"]), self._url(remote or ""), "found by its key") if done else None
        if notice.kind == "ticket.comment" and remote and (audit := self._commented(notice, remote)):
            return Delivered(audit, self._url(remote), "found by its reference")
        known = self._by_external_id(external_id(notice.key))
        if not known:
            return None
        first = str(known[0])
        detail = "found by external_id" + (f"; {len(known)} tickets share it: {known}" if len(known) > 1 else "")
        return Delivered(first, self._url(first), detail, moved_to=first if notice.kind != "ticket.create" else "")

    def _by_external_id(self, wanted: str) -> list[int]:
        """external_id is not unique; the oldest ticket is the one."""
        answer = self._call("GET", f"/tickets?external_id={quote(wanted, safe='')}")
        tickets = self.wire.expect(answer, 200).get("tickets")
        if not isinstance(tickets, list):
            raise Transient("Zendesk's answer has no list of tickets.", status=answer.status)
        # checked again here: a proxy or an old API that ignores the filter would hand us somebody else's ticket
        return sorted(int(t["id"]) for t in tickets if isinstance(t, dict) and t.get("external_id") == wanted)

    def _commented(self, notice: Notice, remote: str) -> str:
        """The id of the change that added our comment, by the reference in its last line."""
        mark = reference(notice.key)
        for comment in self._comments(remote):
            lines = str(comment.get("plain_body") or comment.get("body") or "").rstrip().splitlines()
            if lines and lines[-1].strip() == mark:
                return str(comment.get("audit_id") or comment.get("id"))
        return ""

    def _comments(self, remote: str) -> Iterator[Mapping[str, Any]]:
        return self._pages(remote, "comments")

    def _audits(self, remote: str) -> Iterator[Mapping[str, Any]]:
        return self._pages(remote, "audits")

    def _pages(self, remote: str, what: str) -> Iterator[Mapping[str, Any]]:
        path = f"/tickets/{quote(remote, safe='')}/{what}?page%5Bsize%5D=100"
        after = ""
        for _ in range(100):
            answer = self._call("GET", path + after)
            if answer.status == 404:
                raise Permanent(f"Zendesk ticket {remote} is gone.", status=404)
            found = self.wire.expect(answer, 200)
            listed = found.get(what)
            if not isinstance(listed, list):
                raise Transient(f"Zendesk's answer has no list of {what}.", status=answer.status)
            yield from (c for c in listed if isinstance(c, dict))
            meta = fields(found, "meta")
            if not meta.get("has_more"):
                return
            after = f"&page%5Bafter%5D={quote(str(meta.get('after_cursor')), safe='')}"
        raise Transient(f"Zendesk ticket {remote} has more {what} than can be looked through.")

    # -- what it says back ----------------------------------------------------------------------------------------------

    def pull(self, state: State) -> Told:
        """One page of the cursor-based export. It leaves out the most recent minute, and so must its first question."""
        since = min(int(state.get("since", 0)), int(self._context.now().timestamp()) - 70)
        where = f"cursor={quote(state['cursor'], safe='')}" if state.get("cursor") else f"start_time={max(since, 1)}"
        answer = self._call("GET", f"/incremental/tickets/cursor?{where}&per_page=200")
        if answer.status == 400 and state.get("cursor") and state.get("since"):
            return Told(
                (), {"since": state["since"]}, done=False
            )  # the cursor is no longer taken: from its time on, then
        found = self.wire.expect(answer, 200)
        tickets = found.get("tickets")
        if not isinstance(tickets, list) or "end_of_stream" not in found:
            raise Transient("Zendesk's answer is no page of the export.", status=answer.status)
        cursor = found.get("after_cursor") or state.get("cursor")
        done = bool(found["end_of_stream"]) or cursor == state.get("cursor")  # a cursor that stands still ends the walk
        names = tuple(dict.fromkeys(str(t["id"]) for t in tickets if isinstance(t, dict) and t.get("id")))
        times = [t["generated_timestamp"] for t in tickets if isinstance(t, dict) and t.get("generated_timestamp")]
        new = {"since": max([int(state.get("since", 0)), *map(int, times)]), **({"cursor": cursor} if cursor else {})}
        return Told(names, new, done)

    def changes(self, remote: str) -> list[Remark] | None:
        """The ticket's audits: each is one change, whole, and tells who made it."""
        try:
            audits = list(self._audits(remote))
        except Permanent:
            return None
        self._learn({person for audit in audits for person in Reading.of(audit).people} - self._people.keys())
        custom = {id_: name for name, id_ in self.settings.fields.items()}
        return [remark(audit, self.settings.statuses, self._people, custom, self.settings.tags) for audit in audits]

    def _learn(self, wanted: set[int]) -> None:
        for start in range(0, len(wanted), 100):
            ids = ",".join(map(str, sorted(wanted)[start : start + 100]))
            found = self.wire.expect(self._call("GET", f"/users/show_many?ids={quote(ids)}"), 200).get("users")
            for user in found if isinstance(found, list) else []:
                self._people[int(user["id"])] = Account(
                    clean(str(user.get("name") or "")), str(user.get("email") or "")
                )

    # -- the wire -------------------------------------------------------------------------------------------------------

    def _call(self, method: str, path: str, body: str | None = None, more: Mapping[str, str] | None = None) -> Answer:
        headers = {"Accept": "application/json", "Authorization": self._authorization(), **(more or {})}
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self.wire.send(method, f"{self.base}/api/v2{path}", headers, body)

    def _authorization(self) -> str:
        if self.settings.oauth_token_env:
            return f"Bearer {self._context.secret(self.settings.oauth_token_env)}"
        pair = f"{self.settings.email}/token:{self._context.secret(self.settings.token_env or '')}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def _url(self, ticket: str) -> str:
        return f"{self.base}/agent/tickets/{ticket}"


def _signed(ticket: Mapping[str, Any], key: str) -> str:
    """Our key goes into the metadata of the change: agents do not see it, and it comes back in the ticket's audit.

    https://developer.zendesk.com/documentation/ticketing/managing-tickets/creating-and-updating-tickets/#setting-metadata
    """
    return canonical({"ticket": {**ticket, "metadata": {"earmark": key}}})


def external_id(key: str) -> str:
    """What Zendesk knows our ticket by; the target's name is in it, so two desks may share an account."""
    return key.removesuffix("-create")


def reference(key: str) -> str:
    """The last line of a note: Zendesk has no field of a comment to hold our key."""
    return f"ref {key}"


def _description(notice: Notice) -> str:
    body = notice.body
    parts = [str(body.get("text") or "")]
    for mention in body.get("mentions") or []:
        parts.append(" · ".join(str(mention[k]) for k in ("platform", "author", "published", "url") if mention.get(k)))
    if body.get("reasons"):
        parts.append("Why: " + " ".join(str(reason) for reason in body["reasons"]))
    return _whole(notice, "\n\n".join(clean(p) for p in parts if p.strip()) or "(no text)")


def _note(notice: Notice) -> str:
    mention: Mapping[str, Any] = notice.body.get("mention") or {}
    said, post = (clean(str(holder.get("text") or "")) for holder in (notice.body, mention))
    source = " · ".join(str(mention[k]) for k in ("platform", "author", "published", "url") if mention.get(k))
    parts = [said, post if post != said else "", clean(source)]  # an edit says so first, then what the post says now
    return _whole(notice, "\n\n".join(part for part in parts if part.strip()) or "(no text)")


def _whole(notice: Notice, text: str) -> str:
    """The text with its last lines, which survive a cut: where the whole of it is, and the reference."""
    url = notice.body.get("url")
    tail = "\n\n" + (f"In Earmark: {url}\n" if url else "") + reference(notice.key)
    room = BODY_LIMIT - len(tail.encode())
    return cut(text, room, "[cut: the whole text is in Earmark]") + tail
