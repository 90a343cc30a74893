"""A web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Site:
    """What a server has, and how it behaves; every field may be changed while it runs.

    Attributes:
        files: Contents by path.
        types: Content types by path.
        redirects: Where a path leads.
        status: A status by path, in place of its file.
        cuts: By path: after how many bytes of each next answer the connection ends.
        ranges: Whether it can begin in the middle.
        etags: Whether it tells versions apart.
        lengths: Whether it says how long a file is.
        pause: Seconds after each piece of `piece` bytes.
        piece: See there.
        requests: Paths that were asked for, with the Range header or "".
        on_piece: Called after each piece.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    status: dict[str, int] = field(default_factory=dict)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    ranges: bool = True
    etags: bool = True
    lengths: bool = True
    pause: float = 0.0
    piece: int = 4096
    requests: list[tuple[str, str]] = field(default_factory=list)
    on_piece: Callable[[], None] = lambda: None
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


def without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to this machine itself, whatever this machine's way to the network is."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Run the server while the block runs."""
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        site, path = self.site, self.path.lstrip("/")
        wanted = self.headers.get("Range", "")
        site.requests.append((path, wanted))
        if path in site.redirects:
            self._head(302, {"Location": site.redirects[path], "Content-Length": "0"})
            return
        if path in site.status or path not in site.files:
            body = b"<html>error</html>"
            headers = {"Content-Type": "text/html", "Content-Length": str(len(body))}
            self._head(site.status.get(path, 404), headers)
            self.wfile.write(body)
            return
        content = site.files[path]
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"Content-Type": site.types.get(path, "application/octet-stream")}
        if site.etags:
            headers["ETag"] = etag
        start, status = 0, 200
        if site.ranges and wanted and self.headers.get("If-Range", etag) == etag:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            if start >= len(content):
                self._head(416, {"Content-Length": "0"})
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if site.lengths:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Connection"] = "close"
        self._head(status, headers)
        cuts = site.cuts.get(path, [])
        end = cuts.pop(0) if cuts else len(body)
        for place in range(0, min(end, len(body)), site.piece):
            self.wfile.write(body[place : min(place + site.piece, end)])
            site.on_piece()
            if site.pause:
                time.sleep(site.pause)
        self.close_connection = end < len(body) or not site.lengths

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the client has gone
            self.close_connection = True
