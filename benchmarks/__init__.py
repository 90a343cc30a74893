"""Measures what the README's performance section says: `python -m benchmarks`."""
