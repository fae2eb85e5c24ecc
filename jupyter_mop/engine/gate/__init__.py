"""The gate: persona and exemplar weights from context vectors, and how it is fitted."""
