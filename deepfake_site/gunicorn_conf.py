"""How gunicorn serves the site: threads, because a request mostly waits for disk and database."""

from typing import Any

from django.conf import settings

from deepfake_site import open_files, request_metrics

bind = f"{settings.WEB_BIND}:{settings.PORT}"
workers = settings.WEB_WORKERS
worker_class = "deepfake_site.slow_clients.Worker"
# Of them, `detection.waiting.MAX_WAITING` may hold an answer back while it is waited for.
threads = 32
timeout = 60
graceful_timeout = 20
keepalive = 5
preload_app = True
max_requests = 20000
max_requests_jitter = 2000
accesslog = None  # the audit trail says who did what; addresses and queries are kept nowhere else
logger_class = "deepfake_site.gunicorn_logger.OurLogger"
loglevel = "warning"
limit_request_line = 8190
limit_request_field_size = 16380  # a submission's longest metadata, in Base64, is one header


def on_starting(_server: object) -> None:
    """Before the web processes are forked, which take the limit over."""
    open_files.raise_limit()
    if settings.METRICS_TOKEN:
        request_metrics.share(settings.RUNTIME_DIR / f"metrics-{settings.PORT}")


def pre_fork(server: Any, worker: Any) -> None:
    """Gives the new web process the lowest number that no living one has."""
    taken = {one.number for one in server.WORKERS.values()}
    worker.number = min(set(range(len(taken) + 1)) - taken)


def post_fork(_server: Any, worker: Any) -> None:
    request_metrics.count_as(worker.number)
