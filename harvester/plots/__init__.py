"""Plots of spectra: in a file (matplotlib, extra ``plots``) and in the terminal."""
