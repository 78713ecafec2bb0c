"""The list of wanted spectra: read it, name its files, find what is missing."""
