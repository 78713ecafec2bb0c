"""From the bytes of any format that is read to the one model of a spectrum.

No I/O, but to the process with the readers of other packages.
"""
