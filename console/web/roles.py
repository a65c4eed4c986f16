"""Who may use which route: one table, read by the guard, walked by a test. A route that is not in it is closed to everybody."""

import re

PUBLIC = "public"

LOOK = frozenset({"viewer", "agent", "lead", "admin", "auditor"})
WORK = frozenset({"agent", "lead", "admin"})
LEAD = frozenset({"lead", "admin"})
WATCH = frozenset({"lead", "admin", "auditor"})  # how the system does, and what failed in it
ADMIN = frozenset({"admin"})
PROVE = frozenset({"admin", "auditor"})  # who did what
ANYBODY = frozenset({PUBLIC})

ROLES: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/login"): ANYBODY,
    ("POST", "/login"): ANYBODY,
    ("POST", "/language"): ANYBODY,  # a cookie of this browser: console/web/language.py
    ("GET", "/login/openid"): ANYBODY,
    ("GET", "/login/openid/done"): ANYBODY,  # and then only who an OpenID provider vouches for: console/web/openid.py
    ("POST", "/logout"): LOOK,
    ("GET", "/"): LOOK,
    ("GET", "/inbox"): LOOK,
    ("GET", "/inbox/news"): LOOK,
    ("POST", "/inbox/bulk"): WORK,
    ("POST", "/inbox/next"): WORK,
    ("POST", "/inbox/views"): LOOK,
    ("POST", "/inbox/views/{view_id}"): LOOK,
    ("POST", "/tickets/{number}/skip"): WORK,
    ("POST", "/tickets/{number}/keep"): WORK,
    ("POST", "/tickets/{number}/unread"): LOOK,
    ("POST", "/undo/{act_id}"): WORK,
    ("GET", "/live"): LOOK,
    ("GET", "/tickets/{number}"): LOOK,
    ("POST", "/tickets/{number}/change"): WORK,
    ("POST", "/tickets/{number}/notes"): WORK,
    ("POST", "/tickets/{number}/replies"): WORK,
    ("POST", "/tickets/{number}/replies/{entry_id}/undo"): WORK,
    ("POST", "/tickets/{number}/drafts/{kind}"): WORK,
    ("POST", "/tickets/{number}/presence"): LOOK,
    ("GET", "/presence"): LOOK,
    ("POST", "/tickets/{number}/macro"): WORK,
    ("POST", "/tickets/{number}/fields"): WORK,
    ("POST", "/tickets/{number}/watch"): WORK,
    ("POST", "/tickets/{number}/snooze"): WORK,
    ("POST", "/tickets/{number}/handoff"): WORK,
    ("GET", "/tickets/{number}/merge"): WORK,
    ("POST", "/tickets/{number}/merge"): WORK,
    ("POST", "/tickets/{number}/unmerge"): WORK,
    ("POST", "/tickets/{number}/split"): WORK,
    ("POST", "/tickets/{number}/unsplit"): WORK,
    ("POST", "/tickets/{number}/links"): WORK,
    ("POST", "/tickets/{number}/promises"): WORK,
    ("POST", "/tickets/{number}/tags"): WORK,
    ("GET", "/review"): LOOK,
    ("POST", "/review/{mention_id}"): WORK,
    ("POST", "/review/{mention_id}/undo"): WORK,
    ("GET", "/mentions"): LOOK,
    ("GET", "/journeys"): LOOK,
    ("GET", "/mentions/{mention_id}"): LOOK,
    ("POST", "/mentions/{mention_id}/correct"): WORK,
    ("GET", "/customers"): LOOK,
    ("GET", "/customers/{customer_id}"): LOOK,
    ("GET", "/customers/{customer_id}/mood.csv"): LOOK,
    ("GET", "/customers/{customer_id}/said"): LOOK,
    ("GET", "/flags"): LOOK,
    ("GET", "/flags/{flag_id}"): LOOK,
    ("GET", "/flags/{flag_id}/series.csv"): LOOK,
    ("POST", "/flags/{flag_id}/act"): WORK,
    ("GET", "/flags/act/{token}"): ANYBODY,  # who holds a signed link: console/web/acks.py
    ("POST", "/flags/act/{token}"): ANYBODY,
    ("POST", "/hooks/alerts/{target}"): ANYBODY,  # who signed with the alert's secret: console/web/acks.py
    ("POST", "/hooks/desks/{target}"): ANYBODY,  # who signed with the desk's secret: console/web/hooks_desks.py
    ("GET", "/channels"): LOOK,
    ("POST", "/channels/{channel_id}/poll"): LEAD,
    ("POST", "/channels/{channel_id}/pause"): LEAD,
    ("POST", "/channels/{channel_id}/resume"): LEAD,
    ("GET", "/status"): WATCH,
    ("POST", "/status/targets"): LEAD,
    ("GET", "/status/outbox"): WATCH,
    ("POST", "/status/outbox/{outbox_id}/now"): LEAD,
    ("POST", "/status/posting"): LEAD,
    ("GET", "/status/dead"): WATCH,
    ("GET", "/status/dead/{letter}"): WATCH,
    ("POST", "/status/dead/{letter}"): LEAD,
    ("GET", "/status/configuration"): WATCH,
    ("POST", "/status/configuration"): LEAD,
    ("GET", "/admin/users"): ADMIN,
    ("POST", "/admin/users"): ADMIN,
    ("POST", "/admin/users/{user_id}"): ADMIN,
    ("GET", "/admin/teams"): ADMIN,
    ("POST", "/admin/teams/{user_id}"): ADMIN,
    ("GET", "/admin/tokens"): ADMIN,
    ("POST", "/admin/tokens"): ADMIN,
    ("POST", "/admin/tokens/{token_id}/revoke"): ADMIN,
    ("GET", "/admin/audit"): PROVE,
    ("POST", "/admin/audit/verify"): PROVE,
    ("GET", "/invitation/{token}"): ANYBODY,  # who holds an invitation: storage/members.py
    ("POST", "/invitation/{token}"): ANYBODY,
    ("GET", "/dashboards"): LOOK,
    ("GET", "/dashboards/{figure}.csv"): LOOK,
    ("GET", "/static/{name}"): ANYBODY,
    ("GET", "/favicon.ico"): ANYBODY,
    ("GET", "/api/v1/openapi.json"): LOOK,
    ("GET", "/api/v1/mentions"): LOOK,
    ("GET", "/api/v1/mentions/{id}"): LOOK,
    ("GET", "/api/v1/tickets"): LOOK,
    ("POST", "/api/v1/tickets"): WORK,
    ("PATCH", "/api/v1/tickets/{number}"): WORK,
    ("POST", "/api/v1/tickets/{number}/notes"): WORK,
    ("POST", "/api/v1/tickets/{number}/tags"): WORK,
    ("GET", "/api/v1/corrections"): LOOK,
    ("GET", "/api/v1/corrections/{id}"): LOOK,
    ("POST", "/api/v1/corrections"): WORK,
    ("GET", "/api/v1/escalations"): LOOK,
    ("GET", "/api/v1/escalations/{flag_id}"): LOOK,
    ("POST", "/api/v1/escalations/{flag_id}/act"): WORK,
    ("GET", "/api/v1/channels"): LOOK,
    ("GET", "/api/v1/channels/{id}"): LOOK,
    ("POST", "/api/v1/channels/{id}/poll"): LEAD,
    ("POST", "/api/v1/channels/{id}/pause"): LEAD,
    ("POST", "/api/v1/channels/{id}/resume"): LEAD,
    ("GET", "/api/v1/deliveries"): WATCH,
    ("GET", "/api/v1/deliveries/{id}"): WATCH,
    ("POST", "/api/v1/deliveries/{id}/replay"): LEAD,
    ("GET", "/api/v1/dead-letters"): WATCH,
    ("GET", "/api/v1/dead-letters/{id}"): WATCH,
    ("POST", "/api/v1/dead-letters/{id}/retry"): LEAD,
    ("POST", "/api/v1/dead-letters/{id}/drop"): LEAD,
    ("GET", "/api/v1/reports"): LOOK,
    ("GET", "/api/v1/reports/{name}"): LOOK,
    ("GET", "/api/v1/audit"): PROVE,
    ("GET", "/api/v1/customers"): LOOK,
    ("GET", "/api/v1/identities"): LOOK,
    ("GET", "/api/v1/identities/{id}"): LOOK,
    ("GET", "/api/v1/interactions"): LOOK,
    ("GET", "/api/v1/interactions/{id}"): LOOK,
    ("GET", "/api/v1/tickets/{number}"): LOOK,
    ("GET", "/api/v1/review"): LOOK,
    ("GET", "/api/v1/customers/{customer_id}"): LOOK,
    ("GET", "/api/v1/lookup"): LOOK,
    ("GET", "/api/v1/customers/{customer_id}/timeline"): LOOK,
    ("GET", "/api/v1/customers/{customer_id}/merge/{other_id}"): LOOK,
    ("POST", "/api/v1/customers/{customer_id}/merge"): WORK,
    ("POST", "/api/v1/customers/{customer_id}/split"): WORK,
    ("POST", "/api/v1/customers/{customer_id}/identities"): WORK,
    ("POST", "/api/v1/merges/{merge_id}/undo"): WORK,
    ("GET", "/api/v1/tickets/{number}/summary"): LOOK,
    ("GET", "/api/v1/proposals"): LOOK,
    ("POST", "/api/v1/proposals/{proposal_id}"): WORK,
    ("POST", "/api/v1/interactions"): WORK,
    ("POST", "/customers/{customer_id}/merge"): WORK,
    ("POST", "/merges/{merge_id}/undo"): WORK,
    ("GET", "/proposals"): LOOK,
    ("POST", "/proposals/{proposal_id}"): WORK,
    ("GET", "/customers/{customer_id}/merge"): LOOK,
    ("POST", "/hooks/interactions/{source}"): ANYBODY,
    (
        "GET",
        "/hooks/interactions/{source}",
    ): ANYBODY,  # who signed with the source's secret: console/web/hooks_contacts.py
    ("GET", "/api/v1/status"): WATCH,
    ("GET", "/hooks/{channel}"): ANYBODY,  # who signed with the channel's secret: console/web/hooks.py
    ("POST", "/hooks/{channel}"): ANYBODY,
    ("GET", "/survey/{token}"): ANYBODY,  # who was asked has the link: console/web/survey.py
    ("POST", "/survey/{token}"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/metrics"): ANYBODY,  # and then only from loopback or with the token: console/web/ops.py
}


def allowed(method: str, path: str) -> frozenset[str]:
    """The roles that may; nobody for a route the table does not name."""
    return ROLES.get((method, path), frozenset())


def may(role: str, method: str, path: str) -> bool:
    """Whether a button is worth showing."""
    roles = allowed(method, path)
    return role in roles or PUBLIC in roles


def methods(path: str) -> list[str]:
    """What an address takes."""
    return sorted({method for method, route in ROLES if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path)})
