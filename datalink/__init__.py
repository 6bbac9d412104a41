"""DataLink 1.1: what belongs to a file of the lake, and where its replicas are."""
