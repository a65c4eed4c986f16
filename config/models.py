"""What an operator may write, as frozen models. Shapes only: where a thing stands in a file is load.py's, names across are links.py's."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from config.base import Model, Names, Wait, seconds
from config.contacts import ContactSource, Summary
from config.hooks import EventHook
from config.work import Automation, BusinessHours, Casework, Macro, Route, Survey, TicketField
from domain.nouns import Priority
from domain.paging import Paging
from domain.rules import Account, Intent, Judgement, Rule, ServiceLevel, SpikeRule, Topic

MIN_INTERVAL = 1
MAX_INTERVAL = 31 * 86_400


def _interval(text: str) -> str:
    length = seconds(text)
    if length < MIN_INTERVAL:
        raise ValueError(f"every {text} is too often; the shortest interval is {MIN_INTERVAL}s")
    if length > MAX_INTERVAL:
        raise ValueError(f"every {text} is too seldom; the longest interval is 31d")
    return text


Role = Literal["viewer", "agent", "lead", "admin", "auditor"]


class Team(Model):
    """Who works on tickets."""

    name: str = Field(description="The name rules and desks use.")
    label: str = Field(default="", description="What people read on the page.")
    examples: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(
        default=(),
        max_length=500,
        description="Sentences as customers say them: what no rule sends goes to the most alike.",
    )


class Channel(Model):
    """One thing to monitor: a connector, what it asks for, and when. The connector's own keys stand beside these."""

    name: str = Field(description="Unique. The ledger keeps the position under it: a new name starts the channel anew.")
    kind: str = Field(description="The connector.")
    enabled: bool = Field(default=True, description="false keeps the channel in the file and does not poll it.")
    topics: Names = Field(default=(), description="Whose mentions it feeds; empty: all topics.")
    every: Annotated[str, AfterValidator(_interval)] = Field(
        default="", description="How often to poll: 60s, 15m, 1h30m, 1d. At least 1s. Without every and cron: 5m."
    )
    cron: str = Field(
        default="", description='Instead of every: five fields, such as "0 6 * * mon-fri". Days of the week by name.'
    )
    timezone: str = Field(default="UTC", description="The zone cron is read in, such as Europe/Berlin.")
    max_pages: int = Field(
        default=10, ge=1, le=1000, description="Pages per run; the rest of a long walk goes on at the next run."
    )
    hold: Wait | None = Field(
        default=None,
        description="How long a public reply to what this channel found waits, such as 5m; left out: casework's hold.",
    )
    settings: dict[str, Any] = Field(default_factory=dict, json_schema_extra={"inline": True})

    @model_validator(mode="before")
    @classmethod
    def _default_interval(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("every") and not data.get("cron"):
            return {**data, "every": "5m"}
        return data

    @property
    def seconds(self) -> int | None:
        """The interval, or None when a cron line sets the times."""
        return seconds(self.every) if self.every else None


class Filter(Model):
    """Which tickets a desk is served; an empty list is no condition."""

    teams: Names = Field(default=(), description="Only tickets of these teams.")
    priorities: tuple[Priority, ...] = Field(
        default=(), description="Only tickets of these priorities: low, normal, high, urgent."
    )


class Target(Model):
    """A desk that receives tickets, or a route for alerts. The connector's own keys stand beside these."""

    name: str = Field(description="Unique among desks and alerts; the outbox keeps what is owed under it.")
    kind: str = Field(description="The connector.")
    enabled: bool = Field(default=True, description="false keeps it in the file and sends nothing.")
    when: Filter = Field(default_factory=Filter, description="Which tickets it receives (desks only); without it, all.")
    settings: dict[str, Any] = Field(default_factory=dict, json_schema_extra={"inline": True})


class Retention(Model):
    """How long what is only kept for looking things up is kept. Mentions and tickets stay until a person is erased."""

    payload_days: int = Field(default=30, ge=1, le=3650, description="Raw payloads as the platform sent them.")
    attempt_days: int = Field(default=90, ge=1, le=3650, description="The record of each attempt at a delivery.")


class OpenId(Model):
    """An OpenID provider people log in with (authorization code with PKCE). What it says of groups decides about roles."""

    issuer: str = Field(
        pattern=r"^https?://[^/\s]+(/[^\s?#]*)?$", description="Its address, to the letter as it names itself."
    )
    client_id: str = Field(min_length=1, description="How it knows Earmark.")
    client_secret_env: str = Field(description="The variable that holds the secret it gave us.")
    label: str = Field(default="your company account", max_length=60, description="What the login page calls it.")
    groups_claim: str = Field(default="groups", description="The claim that lists a person's groups or roles there.")
    roles: dict[str, Role] = Field(
        default_factory=dict,
        description="Group there: role here. The first line that fits counts, at each login anew; empty: roles are given here.",
    )
    default_role: Role | None = Field(
        default=None,
        description="The role of who logs in first and fits no line; without it, such a person stays outside.",
    )


class Login(Model):
    """How people come in."""

    passwords: bool = Field(default=True, description="false: through the OpenID provider only.")
    openid: OpenId | None = Field(default=None, description="An OpenID provider.")

    @model_validator(mode="after")
    def _some_door(self) -> "Login":
        if not self.passwords and self.openid is None:
            raise ValueError("without passwords and without openid nobody could log in")
        return self


class Settings(Model):
    """What holds for the whole deployment."""

    scorer: str = Field(
        default="earmark",
        description="What scores sentiment: earmark (a learned model with VADER and the lexicon, 8 languages), vader (with the lexicon, English), or a scorer another package brings.",
    )
    language: str = Field(
        default="auto",
        pattern=r"^(auto|[a-z]{2,3})$",
        description="auto detects each mention's language; a code such as en takes all as that.",
    )
    console_url: str = Field(
        default="", description="Where people reach the console; links in desk tickets and alerts begin with it."
    )
    allow_hosts: Names = Field(
        default=(), description="Private or loopback hosts that connectors may speak to, by name or address."
    )
    on_error: Literal["stop", "skip"] = Field(
        default="stop",
        description="When a secret is missing: stop refuses the configuration, skip runs without the channel or desk.",
    )
    login: Login = Field(
        default_factory=Login, description="Which doors the console has: passwords, an OpenID provider."
    )
    summary: Summary = Field(
        default_factory=Summary, description="Who writes the summary of prior contacts on a ticket."
    )
    retention: Retention = Field(
        default_factory=Retention, description="How long to keep what is only for looking things up."
    )


class Config(Model):
    """Everything an operator decides. Made by `config.load` and `config.load_document` only: they also check names across."""

    topics: tuple[Topic, ...] = Field(
        default=(), description="What is talked about: brands and products with their queries."
    )
    own_accounts: tuple[Account, ...] = Field(
        default=(), description="Our own accounts: what they post is stored and opens no ticket."
    )
    channels: tuple[Channel, ...] = Field(default=(), description="What is monitored.")
    intents: tuple[Intent, ...] = Field(default=(), description="Words that betray what an author wants.")
    rules: tuple[Rule, ...] = Field(
        default=(), description="Triage, in order; the first rule whose conditions hold decides."
    )
    lexicon: dict[str, Annotated[float, Field(ge=-4, le=4)]] = Field(
        default_factory=dict, description="Words and their valence (-4 to 4), over those the scorer knows."
    )
    service_levels: tuple[ServiceLevel, ...] = Field(
        default=(), description="Minutes to the first answer and to the resolution, by priority."
    )
    escalations: tuple[SpikeRule, ...] = Field(default=(), description="When a series raises a flag.")
    teams: tuple[Team, ...] = Field(default=(), description="Who works on tickets.")
    default_team: str = Field(default="", description="The team of a ticket whose rule names none.")
    team_confidence: float = Field(
        default=0.5, ge=0, le=1, description="How sure examples must be; below it default_team has the ticket."
    )
    desks: tuple[Target, ...] = Field(default=(), description="Who receives tickets besides our own inbox.")
    alerts: tuple[Target, ...] = Field(default=(), description="Where flags are sent.")
    events: tuple[EventHook, ...] = Field(default=(), description="Who is told of events by signed webhooks.")
    paging: Paging = Field(default_factory=Paging, description="Who is told of a flag, when, and who next.")
    settings: Settings = Field(default_factory=Settings, description="What holds for the whole deployment.")
    calendars: tuple[BusinessHours, ...] = Field(default=(), description="When teams are there, for service levels.")
    fields: tuple[TicketField, ...] = Field(default=(), description="Fields of your own on every ticket.")
    macros: tuple[Macro, ...] = Field(default=(), description="Several changes to a ticket under one name.")
    routing: tuple[Route, ...] = Field(default=(), description="Which tickets go to whom, in order.")
    automations: tuple[Automation, ...] = Field(default=(), description="When this happens, do that.")
    surveys: tuple[Survey, ...] = Field(default=(), description="What customers are asked after a ticket.")
    contacts: tuple[ContactSource, ...] = Field(
        default=(), description="Systems that tell us of touchpoints by webhook."
    )
    casework: Casework = Field(default_factory=Casework, description="House rules of working on tickets.")

    def document(self) -> dict[str, Any]:
        """JSON-ready, in the shape of the files: `load_document` reads it back."""
        data = self.model_dump(mode="json")
        for section in ("channels", "desks", "alerts"):
            data[section] = [{**item.pop("settings"), **item} for item in data[section]]
        for alert in data["alerts"]:
            del alert["when"]  # chooses tickets, which only desks receive
        return data

    @property
    def hash(self) -> str:
        """The same for the same decisions, however the files are laid out."""
        return _digest(self.document())

    def judgement(self) -> Judgement:
        """What triage needs; its version changes exactly when one of these decisions does."""
        document = self.document()
        parts = {
            name: document[name]
            for name in ("topics", "own_accounts", "intents", "rules", "default_team", "lexicon", "team_confidence")
        }
        taught = tuple((team.name, team.examples) for team in self.teams if team.examples)
        return Judgement(
            topics=self.topics,
            own_accounts=self.own_accounts,
            intents=self.intents,
            rules=self.rules,
            default_team=self.default_team,
            version=_digest({**parts, "taught": taught})[:12],
            lexicon=dict(self.lexicon),
            teams=taught,
            team_confidence=self.team_confidence,
        )


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
