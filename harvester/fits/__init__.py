"""Read spectra from FITS bytes; no I/O."""
