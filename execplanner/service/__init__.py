"""What the broker does: it plans, keeps, runs, and asks others."""
