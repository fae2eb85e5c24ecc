"""The mixture of personas: the estimator, its fit, weights and files."""
