"""A server of files on loopback, and the profile and the catalog that list them."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileServer(http.server.ThreadingHTTPServer):
    """Serves ``files`` by name; counts requests."""

    daemon_threads = True
    requests = 0
    files: dict[str, bytes]

    def list_in(self, folder: Path, profile: str = "") -> None:
        """Write ``p.toml``, with the lines of ``profile``, and ``all.csv``."""
        rows = [f"ivo://a/{name},http://127.0.0.1:{self.server_port}/{name}" for name in self.files]
        (folder / "all.csv").write_text("\n".join(["id,access_url", *rows]) + "\n")
        (folder / "p.toml").write_text(
            'name = "p"\ntitle = "p"\nmode = "direct"\nhosts = ["127.0.0.1"]\nidentity_card = ""\n'
            f"step_tolerance = 0.0\n{profile}\n[settings.limits]\nrate = 0\n"
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.requests += 1
        body = self.server.files[self.path.strip("/")]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def file_server(files: dict[str, bytes]) -> Iterator[FileServer]:
    """Serve ``files``, whose content may change meanwhile."""
    server = FileServer(("127.0.0.1", 0), _Handler)
    server.files = files
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
