"""DataLink 1.1 over the replicas of a data lake."""
