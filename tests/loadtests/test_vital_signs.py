"""What a server tells of itself, read from its metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.ours.vital_signs import VitalSigns, buckets, quantile, stalls
from loadtests.systems import Stalls
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
    lag = VitalSigns(address)
    telemetry.loop_lag.observe(0.9)
    assert lag.p99_ms() == pytest.approx(995.0)
    assert lag.p99_ms() is None
    telemetry.loop_lag.observe(0.0001)
    assert lag.p99_ms() == pytest.approx(0.99)


def test_a_server_that_is_gone_tells_nothing():
    assert VitalSigns("http://127.0.0.1:9").p99_ms() is None


def test_a_gauge_is_read_as_it_is_now(served: tuple[str, Telemetry]):
    address, telemetry = served
    metric = VitalSigns(address)
    telemetry.tasks.set(41)
    assert metric.sample("sayso_tasks") == 41
    telemetry.tasks.set(0.5)
    assert metric.sample("sayso_tasks") == 0.5
    assert metric.sample("sayso_task") is None
    assert VitalSigns("http://127.0.0.1:9").sample("sayso_tasks") is None


def test_stalls_are_those_of_the_servers_own_making_each_once(served: tuple[str, Telemetry]):
    address, telemetry = served
    metric = VitalSigns(address)
    assert metric.stalls() == Stalls(0.0, 0)
    telemetry.gc_uncovered.set(0.025)
    for cause, count in (("loop", 2), ("record", 1), ("synthesis", 3), ("source", 50)):
        telemetry.underruns.labels(cause).inc(count)
        telemetry.track_underruns.labels(cause).inc(count)  # egress has counted them
    telemetry.track_underruns.labels("unknown").inc(4)
    assert metric.stalls() == Stalls(0.025, 10)


def test_a_server_that_tells_no_stalls():
    assert stalls(b"") is None
    assert VitalSigns("http://127.0.0.1:9").stalls() is None


def test_every_clause_is_counted_by_bounds_since_the_last_question(served: tuple[str, Telemetry]):
    address, telemetry = served
    vitals = VitalSigns(address)
    telemetry.governance.observe(9.0)
    before = vitals.governance()
    assert before is not None
    assert (before.n, before.above) == (1, 1)
    for seconds in [0.0004] * 98 + [0.0021, 0.04]:
        telemetry.governance.observe(seconds)
    found = vitals.governance()
    assert found is not None
    assert (found.n, found.above) == (100, 0)
    assert [found.at_most_ms(percent) for percent in (50, 99, 100)] == [0.5, 2.5, 50.0]
    assert vitals.governance() == found.model_copy(update={"counts": (0,) * len(found.counts)})


def test_a_server_that_does_not_tell_of_clauses_tells_nothing():
    assert VitalSigns("http://127.0.0.1:9").governance() is None
