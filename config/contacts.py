"""Where touchpoints come from by webhook, and who writes summaries, as models."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ContactSource(_Model):
    """A system that tells us of calls, chats, mails, purchases: POST /hooks/interactions/NAME, signed."""

    name: str = Field(description="Unique; the address it sends to ends with it.")
    preset: Literal["generic", "whatsapp", "messenger", "instagram", "twilio_sms", "twilio_voice"] = Field(
        default="generic",
        description="Whose payloads and signatures it sends; generic is Standard Webhooks with our own items.",
    )
    secret_env: str = Field(description="The variable that holds the secret it signs with: app secret, auth token.")
    verify_token_env: str = Field(default="", description="The variable with the token of a subscription (Meta).")
    region: str = Field(
        default="", pattern=r"^([A-Z]{2})?$", description="Country of phone numbers without +, such as DE."
    )


class Summary(_Model):
    """Who writes the summary of prior contacts on a ticket. Without a url it is put together of the customer's own sentences."""

    url: str = Field(
        default="", description="An OpenAI-compatible address, such as http://localhost:11434/v1; empty: extractive."
    )
    model: str = Field(default="", description="The model's name there.")
    key_env: str = Field(default="", description="The variable that holds its key, if it wants one.")
    seconds: float = Field(
        default=8.0, gt=0, le=60, description="How long to wait; then the extractive summary is shown."
    )
