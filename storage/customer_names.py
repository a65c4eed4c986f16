"""Customers by a part of a name, handle, address or number: `customer_names` has a row per customer and per identity of one, kept by
triggers (migration 0004), and an index of its pairs of letters.

Pairs and not pg_trgm: in a database of the locale C.UTF-8 that extension knows ASCII letters alone, in none a name of two characters,
and on a given server it may be missing. A single letter is looked for in all rows.
"""

# of a customer `c`; what is sought stands in :q
CALLED = """c.id IN (SELECT n.customer_id FROM customer_names n WHERE strpos(n.said, lower(CAST(:q AS text))) > 0
    AND search_pairs(n.said) @> search_pairs(lower(CAST(:q AS text))))"""
