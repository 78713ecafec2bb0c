"""Virtual Observatory formats: VOTable, datalink, SODA, SSAP and ADQL; no I/O."""
