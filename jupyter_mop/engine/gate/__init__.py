"""The gate: persona and exemplar weights from context vectors, and their fit."""
