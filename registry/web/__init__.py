"""The registry over HTTP: OAI-PMH for harvesters, records for operators and programs, pages for people."""
