"""DALI 1.2: parameters, values, formats and errors: the standard, pure."""
