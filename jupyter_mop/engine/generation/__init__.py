"""Responses: which components are drawn, what is asked, which candidate is selected."""
