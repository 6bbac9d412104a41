"""The checks, a module or more for each standard."""
