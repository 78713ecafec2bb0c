"""What kind of file system a path lies on: some promise less than others."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")


def file_system(path: Path) -> str:
    """Return the type of the file system that has ``path``, as the kernel calls it.

    Such are ``ext4``, ``nfs4`` and ``fuse.sshfs``. It is '' where that is not known: on any system but Linux. Of two
    mounted on one place, the later one has it (proc(5)).
    """
    try:
        mounts = [line.split() for line in MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()]
    except OSError:
        return ""
    real = f"{path.resolve()}/"
    places = [(_unescaped(place).rstrip("/") + "/", kind) for _, place, kind, *_ in mounts]
    under = [(len(place), number, kind) for number, (place, kind) in enumerate(places) if real.startswith(place)]
    return max(under, default=(0, 0, ""))[2]


def _unescaped(place: str) -> str:
    """Return a mount point without the kernel's octal escapes for blanks and backslashes."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), place)
