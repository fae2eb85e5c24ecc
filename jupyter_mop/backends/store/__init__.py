"""One SQLite file of cached answers, and the records of the runs that requested them."""
