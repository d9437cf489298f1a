"""Counts requests and their times, for Prometheus, over all web processes together.

Labels are names of views, methods and classes of status: never an address, a person or an id.

gunicorn's processes count into files that they map into memory, one set for each *number*: the
lowest that no living process has. A process takes over the counts of the dead one whose number it
got, so there are never more files than there were processes at once, and no count is lost when a
process is replaced. Why so: docs/decisions/0022.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from deepfake_site.paths import make_private

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
NO_VIEW = "none"  # static files, and addresses that lead nowhere

disable_created_metrics()
# Labelled, so that no value exists before `share` has said where values lie.
REQUESTS = Counter(
    "unmask_http_requests",
    "Requests answered, by the name of the view.",
    ["view", "method", "status"],
    registry=None,
)
DURATION = Histogram(
    "unmask_http_request_duration_seconds",
    "Time until an answer began.",
    ["view", "method"],
    buckets=BUCKETS_S,
    registry=None,
)

_folder: Path | None = None
_number = 0


class RequestMetricsMiddleware:
    """Counts every answer, also one that other middleware gives; not used where nobody asks."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.METRICS_TOKEN:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        view = request.resolver_match.view_name if request.resolver_match else NO_VIEW
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(view, method, f"{response.status_code // 100}xx").inc()
        DURATION.labels(view, method).observe(time.perf_counter() - began)
        return response


def share(folder: Path) -> None:
    """Count into files of this folder from now on, beginning with nothing.

    Before the web processes are forked. The folder is of this machine and this start alone.

    Raises:
        PermissionError: where it would lie belongs to somebody else.
    """
    global _folder
    make_private(folder.parent)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # where the library looks for it
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: _number)
    _folder = folder


def count_as(number: int) -> None:
    """Be the web process of this number, which no other living one has."""
    global _number
    _number = number


def register_with(registry: CollectorRegistry) -> None:
    """Have a registry collect what all web processes counted."""
    if _folder is not None:
        MultiProcessCollector(registry, str(_folder))
        return
    collectors: tuple[Collector, ...] = (REQUESTS, DURATION)
    for collector in collectors:
        registry.register(collector)
