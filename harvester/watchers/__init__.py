"""Who watches a harvest: dashboard, plain lines, JSON lines, farewell. They know events, and nothing else."""
