"""One SQLite file that remembers every answer, and the runs that asked for them."""
