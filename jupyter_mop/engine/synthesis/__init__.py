"""Personas made from records."""
