"""HubSpot: tickets by a unique property, every post and outcome a note on the contact, contacts read back.

https://developers.hubspot.com/docs/api-reference/crm-tickets-v3/guide · …/crm-notes-v3/guide · …/crm-properties-v3/guide
Notes are internal. What people keep there of a person is theirs: a contact that exists is given nothing but what `push` names.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field

from connectors import resets
from connectors.contract import Contacts, Context, Delivered, State
from connectors.errors import ConfigError, Permanent, RateLimited, Refused, Transient
from connectors.outbound import _hubspot_shapes as shapes
from connectors.outbound._text import canonical, clean, cut
from connectors.outbound._wire import Answer, Wire, fields
from domain.nouns import Notice

LABEL = "HubSpot"
KINDS = ("ticket.create", "ticket.comment", "ticket.status")
GUARANTEE = (
    "exactly once: tickets by a unique property, contacts by another, notes by a look-up of their reference line among the ticket's "
    "notes, stages by a look-up of the key that was set with them"
)
STAGES = {"new": "1", "open": "3", "pending": "2", "hold": "2", "resolved": "4", "closed": "4", "muted": "2"}
PRIORITIES = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"}
PAGE = 100
_EXISTING = re.compile(r"Existing ID: (\d+)")
_WAITS = {"SECONDLY": 1.0, "DAILY": 3600.0}  # a day ends at the portal's midnight, which no answer tells: ask each hour
_DECADE = 10.0  # the other limit counts ten seconds


class Settings(BaseModel):
    """A HubSpot portal, reached with a private app's or a service key's token.

    Scopes: crm.objects.contacts.read and .write, tickets; crm.schemas.contacts.write and tickets.write unless the properties
    PREFIX_key (tickets, unique), PREFIX_change (tickets) and PREFIX_customer (contacts, unique) are there already.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_env: str = Field(description="Variable that holds the token.")
    base_url: str = Field("https://api.hubapi.com", description="Address of the API.")
    version: str = Field(
        "2026-03", pattern=r"^(v3|20\d\d-\d\d)$", description="Version of the API, by its date, or v3."
    )
    prefix: str = Field(
        "earmark",
        pattern=r"^[a-z][a-z0-9_]{0,60}$",
        description="Begins the names of our properties there; one for each Earmark.",
    )
    pipeline: str = Field("0", description="Pipeline of the tickets.")
    stages: Mapping[str, str] = Field(STAGES, description="Our status: the id of the pipeline's stage.")
    priorities: Mapping[str, str] = Field(PRIORITIES, description="Our priority: theirs.")
    owner_id: str | None = Field(None, description="Owner of the tickets and notes.")
    contacts: int | None = Field(
        300, ge=10, le=86_400, description="Seconds between two looks at what changed of contacts; null reads none."
    )
    fields: Mapping[str, str] = Field(
        {}, description="Property of a contact: field of our customer (tier, customer_number, or an attribute's name)."
    )
    push: Mapping[str, str] = Field(
        {},
        description="Field of our customer (name, tier, vip, or an attribute's name): property of the contact that we keep.",
    )
    lookback: int = Field(120, ge=0, le=86_400, description="Seconds by which their search may be late.")
    quiet: float = Field(10.0, ge=0, le=600, description="Seconds to wait before a look-up is believed.")


def contacts(settings: Settings) -> int | None:
    """Seconds between two pulls of contacts; None when they are not read."""
    return settings.contacts


class Desk:
    """One HubSpot portal."""

    looks_up = True
    keeps_people = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.quiet = timedelta(seconds=settings.quiet)
        self.base = settings.base_url.rstrip("/")
        self.wire = Wire("HubSpot", context, [self.base])
        self.key = f"{settings.prefix}_key"
        self.change = f"{settings.prefix}_change"
        self.customer = f"{settings.prefix}_customer"
        self._context = context

    # -- what is sent ---------------------------------------------------------------------------------------------------

    def render(self, notice: Notice, remote: str | None) -> str:
        """Everything one effect writes, each part under the name of its kind; ids there are filled in on the way."""
        if notice.kind not in KINDS:
            raise Refused(f"HubSpot takes tickets, not {notice.kind}.", advice="Send flags to an alert route.")
        plan: dict[str, Any] = {"contact": self._person(notice.body.get("person"))}
        if notice.kind == "ticket.create":
            plan["ticket"] = self._ticket(notice)
        elif notice.kind == "ticket.status":
            plan["stage"] = {"hs_pipeline_stage": self._stage(notice.body.get("status")), self.change: notice.key}
        told = (
            f"Ticket {notice.body.get('number')}: {notice.body['status']}"
            if notice.kind == "ticket.status"
            else shapes.said(notice)
        )
        if notice.kind == "ticket.status" and notice.body.get("text"):
            told += f"\n\n{notice.body['text']}"
        plan["note"] = self._owned(
            {"hs_note_body": shapes.note(told, notice), "hs_timestamp": shapes.when(notice, self._context.now())}
        )
        return canonical(plan)

    def _person(self, person: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Who the contact is: its id there if known, what a new one is given, and what is ours to keep."""
        if not person:
            return None
        new = shapes.names(str(person.get("name") or "")) | {self.customer: str(person["id"])}
        new |= {name: str(person[name]) for name in ("email", "phone") if person.get(name)}
        ours = {
            "name": person.get("name"),
            "tier": person.get("tier"),
            "vip": person.get("vip"),
            **(person.get("attributes") or {}),
        }
        kept = {there: _text(ours[name]) for name, there in self.settings.push.items() if ours.get(name) is not None}
        return {"id": str(person.get("contact") or ""), "customer": str(person["id"]), "new": new | kept, "push": kept}

    def _ticket(self, notice: Notice) -> dict[str, str]:
        body = notice.body
        return self._owned(
            {
                "subject": cut(clean(str(body.get("subject") or "")).strip() or "(no subject)", 255, "…"),
                "content": cut(shapes.said(notice), shapes.LONGEST // 2, "[cut: the whole text is in Earmark]"),
                "hs_pipeline": self.settings.pipeline,
                "hs_pipeline_stage": self._stage(body.get("status") or "new"),
                "hs_ticket_priority": self.settings.priorities.get(str(body.get("priority")), "MEDIUM"),
                self.key: _ours(notice.key),
            }
        )

    def _stage(self, status: Any) -> str:
        if str(status) not in self.settings.stages:
            raise Refused(f"HubSpot has no stage for our {status!r}.", advice="Add it to the desk's `stages`.")
        return self.settings.stages[str(status)]

    def _owned(self, properties: dict[str, str]) -> dict[str, str]:
        return properties | ({"hubspot_owner_id": self.settings.owner_id} if self.settings.owner_id else {})

    def deliver(self, notice: Notice, request: str, remote: str | None) -> Delivered:
        """Contact, ticket or stage, note, in this order. Each but the last may be done twice; the note is why `find` looks for it."""
        plan = json.loads(request)
        person = self._contact(plan["contact"]) if plan["contact"] else ""
        if notice.kind == "ticket.create":
            ticket = self._made(plan["ticket"], person)
        elif remote:
            ticket = self._staged(remote, plan["stage"]) if "stage" in plan else remote
        else:
            raise Refused("This ticket has no counterpart at HubSpot to add to.")
        told = {"properties": plan["note"], "associations": shapes.near("notes", tickets=ticket, contacts=person)}
        made = self._write("POST", self._objects("notes"), told, 201)
        moved = ticket if remote and ticket != remote else ""
        return Delivered(
            ticket if notice.kind == "ticket.create" else str(made["id"]), None, person=person, moved_to=moved
        )

    def _made(self, properties: Mapping[str, str], person: str) -> str:
        """A new ticket, or the one that is there under our key: HubSpot keeps the key unique."""
        wanted = {"properties": properties, "associations": shapes.near("tickets", contacts=person)}
        try:
            return str(self._write("POST", self._objects("tickets"), wanted, 201)["id"])
        except _Taken as taken:
            found = self._by("tickets", properties[self.key], self.key)
            if found is None:
                raise Transient(
                    "HubSpot says our ticket is there and does not show it yet.", status=taken.status
                ) from taken
            return str(found["id"])

    def _staged(self, remote: str, stage: Mapping[str, str]) -> str:
        """The ticket in its stage. Set twice, it would undo what somebody did there in between: the key says that it was set."""
        held = self._by("tickets", remote, "", self.change)
        if held is None:
            raise Permanent(f"HubSpot ticket {remote} is gone.", status=404)
        if fields(held, "properties").get(self.change) != stage[self.change]:
            held = self._write("PATCH", self._objects("tickets", str(held["id"])), {"properties": stage}, 200)
        return str(held["id"])

    def _contact(self, plan: Mapping[str, Any]) -> str:
        """The contact's id: known, found by our id or by the address, or made. One that was merged goes on under another id."""
        found = self._by("contacts", plan["id"], "") if plan["id"] else None
        found = found or self._by("contacts", plan["customer"], self.customer)
        if found is None and plan["new"].get("email"):
            found = self._by("contacts", plan["new"]["email"], "email")
        if found is None:
            try:
                return str(self._write("POST", self._objects("contacts"), {"properties": plan["new"]}, 201)["id"])
            except _Taken as taken:
                if not taken.id:
                    raise Transient(
                        "HubSpot says this contact is there and does not name it.", status=taken.status
                    ) from taken
                found = {"id": taken.id}
        if plan["push"]:
            self._write("PATCH", self._objects("contacts", str(found["id"])), {"properties": plan["push"]}, 200)
        return str(found["id"])

    # -- what is there already ------------------------------------------------------------------------------------------

    def find(self, notice: Notice, request: str, remote: str | None) -> Delivered | None:
        """Whether the effect's last write is there: its note, among those of the ticket. Never asks the search index."""
        plan, ticket = json.loads(request), remote
        if notice.kind == "ticket.create":
            held = self._by("tickets", plan["ticket"][self.key], self.key)
            ticket = str(held["id"]) if held else None
        if not ticket:
            return None
        for number, body in self._notes(ticket):
            if shapes.bears(body, notice.key):
                return Delivered(ticket if notice.kind == "ticket.create" else number, None, "found by its reference")
        return None

    def _notes(self, ticket: str) -> Iterator[tuple[str, str]]:
        """The notes of a ticket with their text, the newest first."""
        numbers, after = [], ""
        for _ in range(100):
            where = f"/crm/objects/{self._v4}/tickets/{quote(ticket, safe='')}/associations/notes?limit=500{after}"
            found = self.wire.expect(self._call("GET", where), 200)
            numbers += [str(one["toObjectId"]) for one in found.get("results") or () if isinstance(one, dict)]
            more = fields(fields(found, "paging"), "next").get("after")
            if not more:
                break
            after = f"&after={quote(str(more), safe='')}"
        else:
            raise Transient(f"HubSpot ticket {ticket} has more notes than can be looked through.")
        for end in range(len(numbers), 0, -PAGE):
            wanted = {
                "inputs": [{"id": one} for one in numbers[max(0, end - PAGE) : end]],
                "properties": ["hs_note_body"],
            }
            found = self.wire.expect(self._call("POST", self._objects("notes", "batch", "read"), wanted), 200, 207)
            for one in found.get("results") or ():
                yield str(one["id"]), str(fields(one, "properties").get("hs_note_body") or "")

    def _by(self, kind: str, value: str, name: str, *wanted: str) -> Mapping[str, Any] | None:
        """A record by its id, or by a unique property; None when it is not there. The id it answers with is the one that holds."""
        query = {**({"idProperty": name} if name else {}), **({"properties": ",".join(wanted)} if wanted else {})}
        answer = self._call(
            "GET", self._objects(kind, quote(value, safe="")) + (f"?{urlencode(query)}" if query else "")
        )
        if answer.status == 404:
            return None
        if answer.status == 400 and name in (self.key, self.customer):
            self._prepare()  # nobody has written by it yet
            return None
        return self.wire.expect(answer, 200)

    # -- whom it knows --------------------------------------------------------------------------------------------------

    def people(self, state: State) -> Contacts:
        """One page of contacts by when they changed. Each page starts at the last time seen, not at a place in a list that moves while
        it is read; of what shares one moment, the rest is read by id. The next walk starts `lookback` earlier, for their search is late."""
        since, tied = int(state.get("since", 0)), state.get("tied")
        first = {"propertyName": "lastmodifieddate", "operator": "GTE" if tied is None else "EQ", "value": str(since)}
        more = [] if tied is None else [{"propertyName": "hs_object_id", "operator": "GT", "value": str(tied)}]
        sort = "lastmodifieddate" if tied is None else "hs_object_id"
        theirs = [
            "firstname",
            "lastname",
            "email",
            "hs_additional_emails",
            "phone",
            "mobilephone",
            "lastmodifieddate",
            "hs_merged_object_ids",
        ]
        wanted = {
            "filterGroups": [{"filters": [first, *more]}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": sorted({*theirs, *self.settings.fields, self.customer}),
            "limit": PAGE,
        }
        if "from" not in state:
            self._fields_exist()
        found = self.wire.expect(self._call("POST", self._objects("contacts", "search"), wanted), 200)
        rows = found.get("results")
        if not isinstance(rows, list):
            raise Transient("HubSpot's answer is no page of contacts.")
        rows = [row for row in rows if isinstance(row, dict) and row.get("id")]
        times = [shapes.stamped(str(fields(row, "properties").get("lastmodifieddate") or since)) for row in rows]
        told = tuple(shapes.contact(row, self.settings.fields, self.customer) for row in rows)
        last = max([since, *times])
        begun = {"from": int(state.get("from", since))}
        if len(rows) < PAGE and tied is None:
            return Contacts(told, {"since": max(begun["from"], last - self.settings.lookback * 1000)}, done=True)
        if len(rows) < PAGE:
            return Contacts(told, {"since": since + 1} | begun, done=False)
        if last > since:
            return Contacts(told, {"since": last} | begun, done=False)
        return Contacts(
            told,
            {"since": since, "tied": max(int(row["id"]) for row in rows) if tied is not None else 0} | begun,
            done=False,
        )

    def _fields_exist(self) -> None:
        """A property that was renamed would be read as empty, without a word."""
        known = self.wire.expect(self._call("GET", self._properties("contacts")), 200).get("results")
        names = {str(one.get("name")) for one in known or () if isinstance(one, dict)}
        if gone := sorted(set(self.settings.fields) - names):
            raise ConfigError(
                f"HubSpot's contacts have no property {', '.join(gone)}", advice="Check the desk's `fields`."
            )

    # -- the wire -------------------------------------------------------------------------------------------------------

    @property
    def _v4(self) -> str:
        """Associations have a version of their own where paths are not dated."""
        return "v4" if self.settings.version == "v3" else self.settings.version

    def _objects(self, *parts: str) -> str:
        where = "/crm/v3/objects" if self.settings.version == "v3" else f"/crm/objects/{self.settings.version}"
        return "/".join((where, *parts))

    def _write(self, method: str, path: str, wanted: Mapping[str, Any], *good: int) -> Mapping[str, Any]:
        """A write. One that was refused because a property of ours is missing did not happen: it is made, and the write repeated."""
        answer = self._call(method, path, wanted)
        if answer.status == 400 and self._lacks(answer):
            self._prepare()
            answer = self._call(method, path, wanted)
        text = answer.body.decode("utf-8", "replace")
        known = _EXISTING.search(text)
        if answer.status == 409 or (answer.status == 400 and known):
            raise _Taken(known[1] if known else "", answer.status)
        if answer.status == 400 and "PROPERTY_DOESNT_EXIST" in text:
            raise ConfigError(
                f"HubSpot does not know a property: {', '.join(_missing(text))}",
                advice="Make it there, or take it out of `push`.",
                status=400,
            )
        return self.wire.expect(answer, *good)

    def _lacks(self, answer: Answer) -> bool:
        text = answer.body.decode("utf-8", "replace")
        return "PROPERTY_DOESNT_EXIST" in text and bool({self.key, self.change, self.customer} & set(_missing(text)))

    def _properties(self, kind: str, *name: str) -> str:
        where = "/crm/v3/properties" if self.settings.version == "v3" else f"/crm/properties/{self.settings.version}"
        return "/".join((where, kind, *name))

    def _prepare(self) -> None:
        """Make the properties of ours that are not there. Raises ConfigError where we may not, or where one is not what it must be."""
        group = {"tickets": "ticketinformation", "contacts": "contactinformation"}
        for kind, name, unique in (
            ("tickets", self.key, True),
            ("tickets", self.change, False),
            ("contacts", self.customer, True),
        ):
            held = self._call("GET", self._properties(kind, name))
            if held.status == 404:
                made = {"name": name, "label": name.replace("_", " "), "groupName": group[kind], "type": "string", "fieldType": "text",
                        "hasUniqueValue": unique, "formField": False}  # fmt: skip
                done = self._call("POST", self._properties(kind), made)
                if done.status in (403, 400):
                    raise ConfigError(
                        f"HubSpot does not let us make the property {name} of {kind}",
                        advice=f"Make it there{' with unique values' if unique else ''}, or give the token the scope of schemas.",
                        status=done.status,
                    )
                if done.status != 409:  # 409: another worker made it a moment ago
                    self.wire.expect(done, 201)
            elif unique and not self.wire.expect(held, 200).get("hasUniqueValue"):
                raise ConfigError(
                    f"HubSpot's property {name} of {kind} does not hold unique values",
                    advice="Choose another `prefix`.",
                )

    def _call(self, method: str, path: str, wanted: Mapping[str, Any] | None = None) -> Answer:
        token = self._context.secret(self.settings.token_env)
        headers = {"Accept": "application/json", "Authorization": f"Bearer {token}"}
        if wanted is not None:
            headers["Content-Type"] = "application/json"
        answer = self.wire.send(method, self.base + path, headers, None if wanted is None else canonical(wanted))
        if answer.status == 429:
            self._wait(answer)
        if answer.status == 423:
            later = self._context.now() + timedelta(seconds=2)
            raise Transient("HubSpot's record is locked by somebody else", sent=False, not_before=later, status=423)
        return answer

    def _wait(self, answer: Answer) -> None:
        """Two kinds of limit, told apart in the body: of seconds, and of the day."""
        now = self._context.now()
        text = answer.body.decode("utf-8", "replace")
        policy = next((name for name in _WAITS if f'"{name}"' in text), "")
        seconds = resets.wait(answer.headers, now) or _WAITS.get(policy, _DECADE)
        raise RateLimited(
            f"HubSpot's limit {'of the day' if policy == 'DAILY' else 'of seconds'} is reached",
            reset_at=now + timedelta(seconds=seconds),
            quota=policy == "DAILY",
            status=429,
        )


class _Taken(Exception):
    """A unique value is another record's. `id` names it where the answer does."""

    def __init__(self, id_: str, status: int) -> None:
        super().__init__(id_)
        self.id, self.status = id_, status


def _missing(text: str) -> list[str]:
    """The properties an answer says there are none of."""
    return re.findall(r'PROPERTY_DOESNT_EXIST\\?"[^}]*?\\?"name\\?": ?\\?"([a-z0-9_]+)', text)


def _ours(key: str) -> str:
    """What HubSpot knows our ticket by; the target's name is in it."""
    return key.removesuffix("-create")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else clean(str(value))[: shapes.LONGEST]
