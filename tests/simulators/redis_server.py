"""A real Redis server of the test's own, on a Unix socket; it can be taken away, and forget everything."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
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
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if b"ready to accept" in line.lower():
                return
        raise AssertionError("redis-server ended at once")

    def stop(self) -> None:
        """Harmless twice."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()
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
