"""Is a simulated survey good, and how many people does it take to know."""
