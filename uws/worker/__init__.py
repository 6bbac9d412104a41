"""Where jobs run, and what looks after them."""
