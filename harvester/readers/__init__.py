"""From the bytes of any format that is read to the one model of a spectrum; no I/O."""
