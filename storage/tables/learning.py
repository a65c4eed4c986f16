"""Corrections people make, models learned from them, clusters of copies."""
