"""TAP 1.1 and ADQL 2.1 over the lake's metadata and over other TAP services."""
