"""Tokens and dollars: prices, usage and estimates."""
