"""Figures of simulations against held-out records, and comparisons of methods."""
