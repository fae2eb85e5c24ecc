"""Charts and tables of results of a mixture."""
