"""How good a simulation is: alignment, diagnosis and estimates."""
