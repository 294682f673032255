"""The server's loop lag, read from its metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.ours.loop_lag import LoopLagMetric, buckets, quantile
from voice_runtime.telemetry import Telemetry


def test_the_histogram_is_read_as_the_runtime_writes_it():
    telemetry = Telemetry()
    for seconds in [0.0005] * 98 + [0.03] * 2:
        telemetry.loop_lag.observe(seconds)
    found = buckets(telemetry.exposition())
    assert found[0.001] == 98
    assert found[float("inf")] == 100
    assert quantile(found, 0.99) == pytest.approx(0.035)  # half-way through 20 to 50 ms


def test_above_the_last_bound_it_is_that_bound():
    assert quantile({0.1: 1.0, 1.0: 1.0, float("inf"): 100.0}, 0.99) == 1.0


def test_nothing_measured_is_no_figure():
    assert quantile({}, 0.99) is None
    assert quantile({0.1: 0.0, float("inf"): 0.0}, 0.99) is None


@pytest.fixture
def served() -> Iterator[tuple[str, Telemetry]]:
    telemetry = Telemetry()

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = telemetry.exposition()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", telemetry
    server.shutdown()
    server.server_close()
    thread.join()


def test_each_question_is_answered_for_the_time_since_the_last(served: tuple[str, Telemetry]):
    address, telemetry = served
    lag = LoopLagMetric(address)
    telemetry.loop_lag.observe(0.9)
    assert lag.p99_ms() == pytest.approx(995.0)
    assert lag.p99_ms() is None
    telemetry.loop_lag.observe(0.0001)
    assert lag.p99_ms() == pytest.approx(0.99)


def test_a_server_that_is_gone_tells_nothing():
    assert LoopLagMetric("http://127.0.0.1:9").p99_ms() is None
