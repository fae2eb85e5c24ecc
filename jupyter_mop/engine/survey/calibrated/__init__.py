"""Calibrated closed answers: a mixture whose option probabilities are learned from people."""
