"""Where spectra end up."""
