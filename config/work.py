"""How tickets are worked on, as models: calendars, custom fields, macros, routing, automations, surveys, and the house rules."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from config.base import Length, Model, Names, Wait
from domain.automations import BUDGET, DEPTH
from domain.lifecycle import REOPEN_DAYS, STATUSES
from domain.nouns import Priority

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[str, ...] = get_args(Day)
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")


def span(text: str) -> tuple[int, int]:
    """`09:00-17:30` in minutes of the day. Raises ValueError with what to write."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ValueError(f'"{text[:40]}" is no span of hours; write such as 09:00-17:30')
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if not start < end <= 1440:
        raise ValueError(f"{text} ends before it begins; a night is two spans, such as 22:00-24:00 and 00:00-06:00")
    return start, end


def _spans(texts: tuple[str, ...]) -> tuple[str, ...]:
    found = sorted(span(text) for text in texts)
    if any(later[0] < earlier[1] for earlier, later in pairwise(found)):
        raise ValueError("these hours overlap")
    return texts


class Holidays(Model):
    """Public holidays, by the holidays library."""

    country: str = Field(pattern=r"^[A-Z]{2}$", description="Country code, such as DE or US.")
    region: str = Field(default="", description="State or region code, such as BE; empty: those of the whole country.")


class BusinessHours(Model):
    """When a team is there. Service levels that name a calendar count its hours only."""

    name: str = Field(description="The name service levels use.")
    timezone: str = Field(default="UTC", description="The zone the hours are read in, such as Europe/Berlin.")
    hours: dict[Day, Annotated[Names, AfterValidator(_spans)]] = Field(
        description="Weekday: spans of hours, such as mon: [09:00-12:00, 13:00-17:00]. A day that is left out is free."
    )
    holidays: Holidays | None = Field(default=None, description="Public holidays; nobody is there then.")
    closed: tuple[date, ...] = Field(default=(), description="Further days nobody is there, such as 2026-12-24.")

    @model_validator(mode="after")
    def _some_hours(self) -> "BusinessHours":
        if not any(self.hours.values()):
            raise ValueError("a calendar has some hours")
        return self


class TicketField(Model):
    """A field of your own on every ticket."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The name commands and the API use.")
    label: str = Field(default="", description="What people read.")
    type: Literal["text", "number", "date", "yes_no", "choice"] = Field(default="text", description="What it holds.")
    choices: Names = Field(default=(), description="For type choice: the values there are.")
    required: bool = Field(default=False, description="true: a ticket is not finished before it is filled in.")

    @model_validator(mode="after")
    def _has_choices(self) -> "TicketField":
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choices belong to type choice, and it needs some")
        return self


class Macro(Model):
    """Several changes to a ticket under one name. What is left out stays as it is."""

    name: str = Field(description="The name commands use.")
    label: str = Field(default="", description="What people read.")
    status: Literal[*STATUSES[1:]] | None = Field(default=None, description="The new status.")  # type: ignore[valid-type]
    priority: Priority | None = Field(default=None, description="The new priority.")
    team: str = Field(default="", description="The new team.")
    assign: Literal["", "me", "nobody"] = Field(default="", description="me: whoever applies it owns the ticket.")
    tags: Names = Field(default=(), description="Tags to add.")
    untag: Names = Field(default=(), description="Tags to take away.")
    note: str = Field(default="", description="An internal note. {customer}, {number} and {agent} are filled in.")
    snooze: Length | None = Field(default=None, description="Out of the lists for this long, such as 4h or 1d.")


class Route(Model):
    """Which tickets go to whom; the first route that fits a new ticket decides."""

    name: str = Field(description="The name entries give as the reason.")
    when: dict[
        Literal["topic", "intent", "platform", "language", "priority", "sentiment", "team", "tag", "tier"], Names
    ] = Field(default_factory=dict, description="Facts of the ticket, each with the values of which one must fit.")
    team: str = Field(default="", description="The team it goes to; empty: as triage said.")
    priority: Priority | None = Field(default=None, description="Its priority; left out: as triage said.")
    skills: Names = Field(default=(), description="What its owner must be able to do (`earmark agents set`).")
    speaks: bool = Field(default=False, description="true: its owner must know the ticket's language.")
    method: Literal["nobody", "least_loaded", "round_robin"] = Field(
        default="nobody", description="How an owner is chosen; nobody leaves it to the team."
    )


class Action(Model):
    """One thing an automation does. Which keys it takes depends on `do`."""

    do: Literal["log", "task", "create_contact", "link", "tag", "assign", "priority", "flag", "alert", "webhook"] = (
        Field(
            description="What: log an entry, make a follow-up task, create the customer, link to the customer's open ticket, tag, "
            "assign, set the priority, raise a flag, alert by routes, or post the event to a webhook route."
        )
    )
    text: str = Field(
        default="", description="For log, task, flag, alert: the words. {customer} and facts in braces are filled in."
    )
    due: Length = Field(default="1d", description="For task: how long from now.")
    team: str = Field(default="", description="For task and assign: the team.")
    owner: Literal["", "least_loaded", "round_robin"] = Field(default="", description="For assign: who of the team.")
    source: str = Field(default="", description="For create_contact: where the customer came from.")
    tags: Names = Field(default=(), description="For tag: to add.")
    untag: Names = Field(default=(), description="For tag: to take away.")
    priority: Priority | None = Field(default=None, description="For priority: which.")
    routes: Names = Field(default=(), description="For alert and webhook: names of alert routes.")

    @model_validator(mode="after")
    def _complete(self) -> "Action":
        needed = {
            "log": "text",
            "task": "text",
            "flag": "text",
            "alert": "routes",
            "webhook": "routes",
            "priority": "priority",
        }
        key = needed.get(self.do, "")
        if key and not getattr(self, key):
            raise ValueError(f"do: {self.do} needs {key}")
        if self.do == "tag" and not (self.tags or self.untag):
            raise ValueError("do: tag needs tags or untag")
        return self


class Automation(Model):
    """When this happens and these conditions hold, do that. Every run leaves a receipt (`earmark automations runs`)."""

    name: str = Field(description="The name receipts give.")
    enabled: bool = Field(default=False, description="true acts; false is shown by plan and does nothing.")
    on: Names = Field(
        min_length=1,
        description="Kinds of events, such as ticket.created, ticket.*, interaction.call_ended, customer.silent.",
    )
    when: dict[str, Any] = Field(
        default_factory=dict,
        description="Fact: the value, or a list of which one must fit; texts may have *. NAME_at_least and NAME_at_most compare numbers.",
    )
    then: tuple[Action, ...] = Field(min_length=1, description="What to do, in order.")
    budget: int = Field(
        default=BUDGET, ge=1, le=100_000, description="Runs within an hour; further ones are noted and not done."
    )


class Survey(Model):
    """A question to the customer after their ticket was resolved, by e-mail with a link of its own."""

    name: str = Field(description="The name results are kept under.")
    enabled: bool = Field(default=False, description="true asks.")
    kind: Literal["csat", "nps", "effort"] = Field(
        description="csat: 1 to 5, how satisfied. nps: 0 to 10, would you recommend us. effort: 1 to 7, how easy it was."
    )
    question: str = Field(default="", max_length=500, description="Empty: the kind's usual question.")
    target: str = Field(description="The desk or alert route of kind smtp that sends it.")
    after: Length = Field(default="1h", description="How long after resolving.")
    throttle: Length = Field(default="30d", description="A customer is asked by any survey at most once in this time.")
    expires: Length = Field(default="14d", description="How long the link answers.")
    teams: Names = Field(default=(), description="Only tickets of these teams; empty: all.")
    share: float = Field(default=1.0, gt=0, le=1, description="Ask about this share of tickets, 0 to 1.")


class Casework(Model):
    """House rules of working on tickets."""

    reopen: Length = Field(
        default=f"{REOPEN_DAYS}d",
        description="A post this long after resolving reopens the ticket; later ones open a new one.",
    )
    claim: Length = Field(
        default="15m", description="How long the next ticket stays with who asked for it and does nothing."
    )
    hand_back: Length = Field(
        default="30m",
        description="An owner chosen by routing who does nothing for this long loses the ticket to the next.",
    )
    hold: Wait = Field(
        default="10s",
        description="How long a public reply waits before it leaves and can be taken back; 0s: it leaves at once.",
    )
    reply_by: str = Field(
        default="",
        description="The desk or alert route of kind smtp that sends public replies by e-mail to customers whose address is known; "
        "empty: replies leave only through a helpdesk that has the ticket.",
    )
    same_case: Length | None = Field(
        default=None,
        description="A post of the same customer, topic and intent joins a ticket that was active within this time, such as 3d; "
        "left out: only the platform's conversation joins posts.",
    )
    warn: float = Field(
        default=0.8, gt=0, lt=1, description="Share of a service level's time after which a warning is given."
    )
    automation_depth: int = Field(
        default=DEPTH, ge=1, le=10, description="How many automations may follow from one another."
    )
    silent: Length = Field(
        default="30d", description="A customer without any contact for this long is silent (event customer.silent)."
    )
    event_days: int = Field(
        default=30, ge=1, le=3650, description="How long what happened is kept in the log of events."
    )
