"""A language model and an encoder in this process, by OpenVINO."""
