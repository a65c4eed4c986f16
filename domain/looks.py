"""Look before you post: what may have happened to a post, between an answer's writing and its leaving, that stops the answer. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from domain.nouns import Author, Mention
from domain.rules import Account


@dataclass(frozen=True, slots=True)
class Known:
    """The post as whoever answered had it before them. `text` as Mention.text; `changed`: the ledger has a later edition, or its deletion.

    `since`: the last answer before this one; what accounts of ours wrote until then was known.
    """

    text: str
    changed: str = ""  # edited, deleted
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """Why an answer is not sent as it stands: a code for machines, and the sentence a person reads."""

    code: str
    sentence: str


def objection(
    known: Known, now: Mention | None, answers: Iterable[Mention] = (), ours: Iterable[Account] = ()
) -> Objection | None:
    """`now`: the post as its platform shows it, None when it is not there. The gravest comes first."""
    if now is None or now.deleted or known.changed == "deleted":
        return Objection("deleted", "The post was deleted since.")
    if known.changed == "edited" or _bare(now.text) != _bare(known.text):
        return Objection("edited", "The post was edited since.")
    accounts = tuple(ours)
    for answer in sorted(answers, key=lambda answer: answer.published):
        who = answer.attributed_to
        late = known.since is None or answer.published > known.since
        if who and late and not answer.deleted and any(wrote(account, answer.platform, who) for account in accounts):
            return Objection(
                "answered",
                f"{who.handle or who.native_id}, an account of ours, has answered it already, {answer.published:%Y-%m-%d %H:%M} UTC.",
            )
    return None


def wrote(account: Account, platform: str, who: Author) -> bool:
    """Whether this account of ours is the author."""
    return account.platform.lower() == platform and (
        (bool(account.handle) and bare_handle(account.handle) == bare_handle(who.handle))
        or (bool(account.native_id) and account.native_id == who.native_id)
    )  # fmt: skip


def bare_handle(handle: str) -> str:
    """A handle without what platforms write before it."""
    return handle.removeprefix("u/").lstrip("@").lower()


def _bare(text: str) -> str:
    return " ".join(text.split())
