"""Persona weights from samples and known shares, with no model call."""
