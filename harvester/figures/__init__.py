"""Pictures of spectra: in a file (matplotlib, extra ``plots``) and in the terminal, from the same words and numbers."""
