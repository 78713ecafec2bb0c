"""FITS reading, pure: from bytes to one model of a spectrum."""
