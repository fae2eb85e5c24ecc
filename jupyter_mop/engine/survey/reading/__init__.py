"""The text of answers: its forms, and whether its words turn an option round."""
