"""Terminal output of a run: dashboard, plain lines, JSON lines and the run summary."""
