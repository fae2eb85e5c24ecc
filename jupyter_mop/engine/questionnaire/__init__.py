"""Whole questionnaires: a survey's questions answered by one latent class model."""
