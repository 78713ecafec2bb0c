"""Every file name below the state folder of a harvest, in one place."""

from __future__ import annotations

PROVENANCE, PROFILE = "provenance.json", "profile.toml"
