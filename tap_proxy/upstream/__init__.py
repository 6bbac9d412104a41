"""Other TAP services: asking them, keeping what they say of themselves, and answering queries on their tables."""
