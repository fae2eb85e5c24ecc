"""A language model and an encoder in this process, run by OpenVINO."""
