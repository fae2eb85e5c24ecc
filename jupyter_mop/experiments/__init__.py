"""The paper's experiments as commands: `python -m jupyter_mop.experiments NAME`."""
