"""Ways to ask a language model how likely each option of a question is."""
