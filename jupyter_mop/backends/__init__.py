"""Language models, encoders, and the store of their cached answers."""
