"""A language model on the workers of a Dask cluster."""
