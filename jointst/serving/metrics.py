"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Metrics:
    """Counters of one server, in a registry of their own.

    Attributes:
        registry: of all of them.
        requests: answered, by route and status; those of a live stream by close code.
        request_seconds: from the first byte to the last, by route.
        audio_seconds: recognised, of files and of live streams.
        work_seconds: that the worker of files and that of live streams were busy.
        batch: segments that were searched together.
        running: requests that are read, wait or are searched.
        streams: open.
        tasks: of the event loop; for a look that they do not grow.
        lag: from a piece of live audio to what it said.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("jointst_requests_total", "Requests answered", ["route", "status"], registry=registry)
        self.request_seconds = Histogram(
            "jointst_request_seconds", "Time of a request", ["route"], buckets=_SECONDS, registry=registry
        )
        self.audio_seconds = Counter("jointst_audio_seconds_total", "Audio recognised", ["kind"], registry=registry)
        self.work_seconds = Counter("jointst_work_seconds_total", "Time a worker was busy", ["kind"], registry=registry)
        self.batch = Histogram(
            "jointst_batch_segments", "Segments searched together", buckets=(1, 2, 4, 8, 16, 32), registry=registry
        )
        self.running = Gauge("jointst_requests_running", "Requests read, waiting or searched", registry=registry)
        self.streams = Gauge("jointst_streams_open", "Live streams open", registry=registry)
        self.tasks = Gauge("jointst_tasks", "Tasks of the event loop", registry=registry)
        self.lag = Histogram(
            "jointst_live_lag_seconds",
            "From a piece of live audio to what it said",
            buckets=_SECONDS,
            registry=registry,
        )
