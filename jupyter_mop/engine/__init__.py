"""The mathematics of a mixture of personas: values in, values out."""
