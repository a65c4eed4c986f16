"""Who is told of events: receivers of signed webhooks, and which events they want."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

KINDS = ("ticket", "customer", "interaction", "flag")


class EventHook(BaseModel):
    """A receiver of events (Standard Webhooks): each event it wants is posted once it is committed, signed, and tried again until taken."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Unique among desks, alerts and events; the outbox keeps what is owed under it.")
    url: str = Field(
        pattern=r"^https?://", description="Address that takes the POST; private ones must be allowed by name."
    )
    secret_env: str = Field(description="Variable that holds the signing secret: whsec_ and 24 to 64 bytes in base64.")
    kinds: tuple[str, ...] = Field(
        default=("ticket.*",),
        min_length=1,
        description="Such as ticket.created, ticket.*, flag.opened; everything before the dot is ticket, customer, interaction or flag.",
    )
    teams: tuple[str, ...] = Field(default=(), description="Only of tickets of these teams; empty: all.")
    topics: tuple[str, ...] = Field(default=(), description="Only of tickets and flags of these topics; empty: all.")
    enabled: bool = Field(default=True, description="false keeps it in the file and sends nothing.")

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for kind in value:
            subject, _, what = kind.partition(".")
            if subject not in KINDS or not what or ("*" in what and what != "*"):
                raise ValueError(
                    f"{kind} is no kind of event; write {', '.join(f'{k}.*' for k in KINDS)} or one such as ticket.created"
                )
        return value

    @property
    def kind(self) -> str:
        """The connector that delivers."""
        return "webhook"

    @property
    def settings(self) -> dict[str, Any]:
        """What the connector is made with."""
        return {"url": self.url, "secret_env": self.secret_env}

    def wants(self, kind: str, team: str, topic: str) -> bool:
        """A subscription to some teams or topics is told of nothing that has none."""
        named = any(kind == wanted or (wanted.endswith(".*") and kind.startswith(wanted[:-1])) for wanted in self.kinds)
        return named and (not self.teams or team in self.teams) and (not self.topics or topic in self.topics)
