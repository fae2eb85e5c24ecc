"""What `make docs` generates: pages of magics, reference and notebooks; and what it checks."""
