"""The judges of the exercises' questions, one module per chapter."""
