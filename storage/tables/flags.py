"""Flags beyond the ledger: incidents, pages, acknowledgements, judgements, detector snapshots."""
