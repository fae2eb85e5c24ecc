"""One model's chat at an endpoint: what it takes, and how its answers are read."""
