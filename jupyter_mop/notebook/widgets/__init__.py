"""One small widget class a file."""
