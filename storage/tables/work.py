"""Tickets beyond the ledger: clocks, promises, macros, views, automations, surveys."""
