"""The revisions of the tables of TAP_SCHEMA."""
