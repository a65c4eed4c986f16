"""The keys of the town: what a client must present. Made up, and good for nothing outside."""

ACCOUNTS: dict[str, dict[str, str]] = {
    "reddit": {"client_id": "town-reddit-app", "client_secret": "town-reddit-secret"},
    "x": {"bearer": "town-x-bearer"},
    "discourse": {"api_key": "town-discourse-key"},
    "mastodon": {"token": "town-mastodon-token", "instance": "social.northbank.example"},
    "imap": {"username": "help@northbank.example", "password": 'town "imap" password'},
    "zendesk": {
        "email": "agent@northbank.example",
        "token": "town-zendesk-token",
        "oauth": "town-zendesk-oauth",
    },
    "smtp": {"username": "alerts@northbank.example", "password": "town-smtp-password"},
    # Standard Webhooks: "whsec_" and 24 to 64 bytes in base64.
    "webhook": {"secret": "whsec_bm9ydGhiYW5rLXRvd24td2ViaG9vay1zZWNyZXQtMDE="},
}
