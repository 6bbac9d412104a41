"""A publishing registry: VOResource records of the deployment, harvested over OAI-PMH."""
