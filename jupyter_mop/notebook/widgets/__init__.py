"""The widgets: a Python class, a script and a style sheet for each."""
