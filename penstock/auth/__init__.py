"""Who is asking: principals and how they are told apart."""
