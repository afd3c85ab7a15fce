"""The page served on this machine, following the store as runs go on."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from experiments.analysis.cells import sections
from experiments.analysis.dashboard.curves import CurveReader, curves_data
from experiments.analysis.dashboard.page import Select, head_data, pack, render
from experiments.analysis.dashboard.started import with_started
from experiments.errors import UserError
from experiments.terminal.console import say
from experiments.tracking.names import CONFIG, METRICS

LEAST_SECONDS = 2.0
"""Between two looks at the store; a large store is looked at less often, see ``SHARE``."""

SHARE = 0.2
"""The most of one core that following may take."""


class Follower:
    """The newest state of the store, packed for the page; made when asked for, and seldom."""

    def __init__(self, root: Path, select: Select) -> None:
        self.root, self.select, self.reader = root, select, CurveReader()
        self.lock = threading.Lock()
        self.seen = ""
        self.due = 0.0
        self.head = b""
        self.curves: dict[str, bytes] = {}

    def update(self) -> None:
        """Look at the store if it is time, and make the data anew if it has changed."""
        with self.lock:
            started = time.monotonic()
            if started < self.due:
                return
            state = _state(self.root)
            if state != self.seen:
                found = sections(with_started(self.select(), self.root))
                self.curves = {s.name: pack(curves_data(s, self.reader)) for s in found}
                self.head = pack(head_data(found, self.root))
                self.seen = state
            took = time.monotonic() - started
            self.due = time.monotonic() + max(LEAST_SECONDS, took / SHARE)


def _state(root: Path) -> str:
    """Changes whenever a run's record, result or mirror does."""
    digest = hashlib.sha256()
    for pattern in ("*/*/*.json", f"*/*/{METRICS}", f"*/*/{CONFIG}", "mechanism/*.json"):
        for path in sorted(Path(root).glob(pattern)):
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            digest.update(f"{path}{status.st_mtime_ns}{status.st_size}\n".encode())
    return digest.hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers this machine's browsers: the page, ``/head``, ``/curves?section=...``."""

    server: "Server"

    def do_GET(self) -> None:
        """Answer a request."""
        if self.headers.get("Host", "").rpartition(":")[0] not in ("localhost", "127.0.0.1"):
            self.send_error(403)  # a page of another site, by way of its own name for this address
            return
        address = urlsplit(self.path)
        if address.path == "/":
            self._answer(self.server.page, "text/html; charset=utf-8")
            return
        follower = self.server.follower
        follower.update()
        if address.path == "/head":
            self._answer(follower.head, "application/json", packed=follower.seen)
            return
        name = parse_qs(address.query).get("section", [""])[0]
        if address.path == "/curves" and name in follower.curves:
            self._answer(follower.curves[name], "application/json", packed=follower.seen)
            return
        self.send_error(404)

    def _answer(self, content: bytes, kind: str, packed: str | None = None) -> None:
        tag = f'"{packed}"'
        if packed is not None and self.headers.get("If-None-Match") == tag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        if packed is not None:
            self.send_header("Content-Encoding", "gzip")
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the terminal has been told where to look."""


class Server(ThreadingHTTPServer):
    """The server of one store, reachable from this machine alone."""

    daemon_threads = True

    def __init__(self, root: Path, port: int, select: Select) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.page = render("", live=True).encode()
        self.follower = Follower(root, select)


def serve(root: Path, port: int, select: Select) -> None:
    """Serve until interrupted. Raises :class:`UserError` if the port cannot be had."""
    try:
        server = Server(root, port, select)
    except (OSError, OverflowError) as error:
        raise UserError(f"--port {port}: cannot be had ({error}); choose another") from None
    with server:
        say(f"Following {root} at http://localhost:{server.server_port}/ (Ctrl-C ends it)")
        server.serve_forever()
