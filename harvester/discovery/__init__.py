"""Find out what an unknown archive offers, and list its spectra."""
