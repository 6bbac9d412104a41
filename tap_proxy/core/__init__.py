"""TAP 1.1 made executable: parameters, formats, metadata. No I/O."""
