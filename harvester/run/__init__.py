"""One run, from a catalog to the written summary."""
