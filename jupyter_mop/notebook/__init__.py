"""The notebook interface: magics, widgets, progress and display."""
