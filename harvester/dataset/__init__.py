"""The stored spectra joined with everything known about them, for export, report and API."""
