"""Jobs as documents."""
