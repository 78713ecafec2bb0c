"""What a careful user does after a download: python -m benchmarks.same_work FOLDER.

Every file is opened with astropy, every HDU read, and the file system synced. It exits with 1 if a file cannot be read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from astropy.io import fits


def is_readable(path: Path) -> bool:
    """Whether astropy reads every HDU of the file."""
    try:
        with fits.open(path, checksum=False, memmap=False) as hdus:
            return all(hdu.header is not None and (hdu.size == 0 or hdu.data is not None) for hdu in hdus)
    except Exception:  # noqa: BLE001 - it raises errors of many kinds for what is no FITS
        return False


def main() -> None:
    unreadable = [path.name for path in sorted(Path(sys.argv[1]).glob("*.fits")) if not is_readable(path)]
    os.sync()
    sys.exit(bool(unreadable))


if __name__ == "__main__":
    main()
