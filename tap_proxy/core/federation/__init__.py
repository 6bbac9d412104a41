"""Other archives behind one TAP: what they offer, how a query is cut up between them, and the plan of it. No I/O."""
