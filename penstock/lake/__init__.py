"""The data lake: its port, its catalogue and its implementations."""
