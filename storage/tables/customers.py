"""Customers beyond the ledger: proposals of links, merges, interactions, imports."""
