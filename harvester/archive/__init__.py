"""The archive over HTTP: its profile, the client, and what its responses mean."""
