"""Metrics against the held-out records, and gains over rivals."""
