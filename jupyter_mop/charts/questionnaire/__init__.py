"""Charts and tables of surveys of several questions."""
