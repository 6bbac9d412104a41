"""Executors: one module for each kind of facility that can run works."""
