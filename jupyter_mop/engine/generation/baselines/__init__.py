"""Baselines: other ways of prompting to compare a mixture of personas with."""
