"""aiohttp and nothing else: write under a temporary name, rename; no check, no sync, no retry, no ledger, no dashboard.

What a downloader made with aiohttp costs at least, on one core: python -m benchmarks.plain LIST FOLDER CONCURRENCY.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp


async def _work(session: aiohttp.ClientSession, urls: Iterator[str], folder: Path) -> None:
    for url in urls:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(url) as answer:
                body = await answer.read()
            path = folder / url.rpartition("/")[2]
            part = path.with_suffix(".part")
            part.write_bytes(body)
            part.replace(path)


async def main(listed: Path, folder: Path, concurrency: int) -> None:
    """Download every address in the file ``listed`` into ``folder``."""
    urls = iter(listed.read_text().split())
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as workers:
        for _ in range(concurrency):
            workers.create_task(_work(session, urls, folder))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
