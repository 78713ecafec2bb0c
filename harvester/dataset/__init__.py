"""What becomes of a harvest: the spectra on disk joined with all that is known of them."""
