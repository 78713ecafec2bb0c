"""Serve a local page to look at the spectra of a harvest, and to label them."""
