"""DataLink made executable: links, faults, the order of replicas. Pure."""
