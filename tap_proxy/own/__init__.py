"""Tables that an operator adds: read from files and databases, kept beside the others."""
