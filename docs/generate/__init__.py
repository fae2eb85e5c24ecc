"""What `make docs` writes of itself: magics, reference, notebooks, formulas; and what it checks."""
