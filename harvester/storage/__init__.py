"""Where spectra are kept: a directory, an object store, or nowhere."""
