"""The views metrics are read from; docs/metrics.md explains each formula."""

VIEWS = """
SELECT 1;
"""
