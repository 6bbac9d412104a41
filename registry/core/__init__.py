"""Records and OAI-PMH made executable. Pure."""
