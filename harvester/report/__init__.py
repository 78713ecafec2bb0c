"""The morning after: one run, as one page to look at."""
