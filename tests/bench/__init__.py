"""Benches: ``python -m tests.bench NAME [options]``, see ``python -m tests.bench`` for the names."""
