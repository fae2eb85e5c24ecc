"""Simulated responses: components are drawn, the model is called, candidates are selected."""
