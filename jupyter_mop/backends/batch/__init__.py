"""Requests sent to an endpoint as batches: half the price, answers within a day."""
