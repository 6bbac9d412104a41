"""Measurements: ``python -m bench`` prints tables of ratios taken in one run."""
