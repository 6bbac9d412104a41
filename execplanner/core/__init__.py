"""Questions, facilities and how they match. Pure."""
