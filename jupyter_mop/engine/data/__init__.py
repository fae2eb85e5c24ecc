"""Inputs: populations, personas, exemplars and prompts, with no model call."""
