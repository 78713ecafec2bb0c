"""The SQLite database of a harvest: what happened to each spectrum."""
