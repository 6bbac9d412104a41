"""The revisions of the tables of the Execution Broker."""
