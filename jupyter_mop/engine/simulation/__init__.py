"""A simulation, its importance weights and its files."""
