"""Everything a person touches in a notebook."""
