"""How spectra are asked for: the profile of an archive, the request, the client, and what answers mean."""
