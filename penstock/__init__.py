"""What every Penstock service shares; imports no service."""
