"""Every spectrum of a Virtual Observatory archive on your own disk: verified, resumable, polite."""

__version__ = "0.1.0"
