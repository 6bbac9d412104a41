"""Universal Worker Service 1.1: jobs in XML and JSON."""
