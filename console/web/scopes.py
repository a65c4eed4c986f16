"""Which scope of an API token opens which route. A route that is not here takes no token, whatever its scopes."""

SCOPES: dict[tuple[str, str], str] = {
    ("GET", "/api/v1/openapi.json"): "lookup:read",
    ("GET", "/api/v1/tickets"): "tickets:read",
    ("GET", "/api/v1/tickets/{number}"): "tickets:read",
    ("GET", "/api/v1/review"): "tickets:read",
    ("GET", "/api/v1/flags"): "flags:read",
    ("GET", "/api/v1/flags/{flag_id}"): "flags:read",
    ("GET", "/api/v1/channels"): "operations:read",
    ("GET", "/api/v1/status"): "operations:read",
    ("GET", "/api/v1/lookup"): "lookup:read",
    ("GET", "/api/v1/customers"): "customers:read",
    ("GET", "/api/v1/customers/{customer_id}"): "customers:read",
    ("GET", "/api/v1/customers/{customer_id}/timeline"): "customers:read",
    ("GET", "/api/v1/customers/{customer_id}/merge/{other_id}"): "customers:read",
    ("POST", "/api/v1/customers/{customer_id}/merge"): "customers:write",
    ("POST", "/api/v1/customers/{customer_id}/split"): "customers:write",
    ("POST", "/api/v1/customers/{customer_id}/identities"): "customers:write",
    ("POST", "/api/v1/merges/{merge_id}/undo"): "customers:write",
    ("GET", "/api/v1/proposals"): "customers:read",
    ("POST", "/api/v1/proposals/{proposal_id}"): "customers:write",
    ("POST", "/api/v1/interactions"): "interactions:write",
}
