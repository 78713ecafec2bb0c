"""What happened to each spectrum, durably."""
