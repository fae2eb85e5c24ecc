"""A language model behind an OpenAI-compatible HTTP endpoint."""
