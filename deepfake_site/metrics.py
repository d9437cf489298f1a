"""What this desk tells a monitoring system, in the text format of Prometheus.

Requests come from the web processes (`deepfake_site.request_metrics`), all else from the database
at the moment it is asked (`detection.services.gauges`).
"""

import logging
import shutil
from collections.abc import Callable, Iterator
from functools import wraps

from django.conf import settings
from django.db import Error
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from deepfake_site import request_metrics
from detection.services.gauges import gauge, gauges
from detection.services.readiness import readiness

log = logging.getLogger(__name__)

View = Callable[[HttpRequest], HttpResponse]


def _for_who_has_the_token(view: View) -> View:
    """404 where no token is set, 401 without it; sessions and API keys open nothing here."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not settings.METRICS_TOKEN:
            raise Http404
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        is_theirs = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
        if scheme.lower() != "bearer" or not is_theirs:
            refusal = {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"}
            return HttpResponse(status=401, headers=refusal)
        return view(request)

    return guarded


@_for_who_has_the_token
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Everything, or without a database what the web processes know themselves."""
    registry = CollectorRegistry()
    request_metrics.register_with(registry)
    registry.register(DeskCollector())
    return HttpResponse(
        generate_latest(registry),
        content_type=CONTENT_TYPE_PLAIN_0_0_4,
        headers={"Cache-Control": "no-store"},
    )


class DeskCollector(Collector):
    """The desk as it is now."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield gauge("build_info", "Version of Unmask.", {(settings.VERSION,): 1}, ["version"])
        disk = shutil.disk_usage(settings.DATA_DIR)
        yield gauge("data_disk_free_bytes", "Free on the disk of the data folder.", disk.free)
        yield gauge("data_disk_size_bytes", "Size of the disk of the data folder.", disk.total)
        try:
            found = [_ready(), *gauges()]
        except Error as error:
            log.warning("the database gives no figures: %s", type(error).__name__)
            found = []
        yield gauge("database_up", "Whether the database gave its figures.", bool(found))
        yield from found


def _ready() -> GaugeMetricFamily:
    return gauge("ready", "Whether /readyz answers 200.", readiness().is_ready)
