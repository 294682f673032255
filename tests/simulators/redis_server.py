"""A real Redis server of the test's own, on a Unix socket; it can be taken away, and forget everything."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.needs import needs_system


@dataclass
class RedisServer:
    """``start`` and ``stop`` as often as a test likes; nothing outlives a ``stop``."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Returns once it listens."""
        assert self._process is None
        program = shutil.which("redis-server")
        assert program is not None
        self._process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), "--daemonize", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        ends = time.monotonic() + 20
        while not self._listens():
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < ends, "redis-server does not listen"
            time.sleep(0.002)  # its own start, which tells nobody

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True

    def stop(self) -> None:
        """Harmless twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(20)
            self.socket.unlink(missing_ok=True)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A server that listens; skips where there is no redis-server."""
    needs_system("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="redis"))  # a socket's path is at most 107 bytes long
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
