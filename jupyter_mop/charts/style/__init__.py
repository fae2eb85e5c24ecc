"""How charts and tables look, whatever they show."""
