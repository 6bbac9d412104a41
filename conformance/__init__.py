"""Black-box checks of any IVOA service; imports nothing that it judges."""
