"""Language models, encoders and the store that remembers their answers."""
