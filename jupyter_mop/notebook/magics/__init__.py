"""The `%mop_*` magics."""
