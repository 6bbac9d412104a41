"""A VO Registry: records of what runs here, published over OAI-PMH."""
