"""The notebook's loop: python -m benchmarks.notebook URLS OUT. One spectrum after the other; an error ends it."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.request import urlopen


def main() -> None:
    urls, out = Path(sys.argv[1]), Path(sys.argv[2])
    for url in urls.read_text().split():
        with (out / url.rpartition("/")[2]).open("wb") as file, urlopen(url) as answer:
            file.write(answer.read())


if __name__ == "__main__":
    main()
