"""What the console and the API keep: tokens, preferences, idempotency keys, event webhooks."""
