"""UWS 1.1 made executable: records, the phase machine, and documents in XML and JSON."""
