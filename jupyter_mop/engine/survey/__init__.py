"""Closed questions: option probabilities and the population's answer."""
