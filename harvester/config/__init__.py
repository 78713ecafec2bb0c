"""Settings and profiles, and the sources they come from."""
