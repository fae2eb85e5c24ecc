"""Metrics: arrays in, numbers out, one module for each."""
