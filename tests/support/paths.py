"""Where tests find the repository, and genuine data that may lie beside it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"  # not part of the repository: tests that need it skip where it is absent

PROGRAM = shlex.join([sys.executable, "-m", "harvester"])
"""What commands that a test's process prints begin with."""
