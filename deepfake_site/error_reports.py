"""Reports of errors to a Sentry service, by SENTRY_DSN; nothing is imported where there is none.

What is reported is what is logged as an error, and of that only what is named here: which error,
where in which code, in which view and request. An error's own words stay in the log: they quote
rows, names of files and whatever a client sent.
"""

import logging
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from deepfake_site.middleware import request_id_var

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

OURS = ("accounts", "deepfake_site", "detection", "ml")
FRAME = ("filename", "module", "function", "lineno", "pre_context", "context_line", "post_context")
KEPT = ("event_id", "timestamp", "level", "platform", "logger", "release", "environment")
NOBODYS_FAULT = "django.security.DisallowedHost"  # whoever guesses at names makes one each time


def start(transport: Any = None) -> None:
    """Report from now on, where a service is named.

    Args:
        transport: what takes the reports instead of the network.
    """
    if not settings.SENTRY_DSN:
        return
    try:
        import sentry_sdk
        from sentry_sdk.integrations.atexit import AtexitIntegration
        from sentry_sdk.integrations.excepthook import ExcepthookIntegration
        from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
    except ImportError as error:
        raise ImproperlyConfigured(
            "SENTRY_DSN needs the packages of the group `observe`: uv sync --group observe."
        ) from error
    ignore_logger(NOBODYS_FAULT)
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        release=settings.VERSION,
        transport=transport,
        before_send=_only_what_is_named,
        # Each integration would read requests, statements or arguments, or send a trace's id along
        # to servers of others.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            ExcepthookIntegration(),
            AtexitIntegration(callback=lambda *_: None),
        ],
        data_collection={"user_info": False, "http_bodies": []},
        include_local_variables=False,
        max_breadcrumbs=0,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_metrics=False,
    )


def _only_what_is_named(event: "Event", hint: "Hint") -> "Event":
    """A report made anew of the fields that hold nobody's data."""
    found: dict[str, Any] = {name: event[name] for name in KEPT if name in event}  # type: ignore[literal-required]
    record: logging.LogRecord | None = hint.get("log_record")
    request = getattr(record, "request", None)
    found["tags"] = {"request_id": getattr(request, "request_id", None) or request_id_var.get()}
    if place := _place(record, request):
        found["transaction"] = place
    # A text of ours without what is filled in; others log whole messages as if they were that.
    if record is not None and record.name.partition(".")[0] in OURS:
        found["logentry"] = {"message": str(record.msg)}
    if exceptions := event.get("exception"):
        found["exception"] = {"values": [_exception(one) for one in exceptions["values"]]}
    return found  # type: ignore[return-value]


def _place(record: logging.LogRecord | None, request: Any) -> str:
    """The view or the task, never the address."""
    if match := getattr(request, "resolver_match", None):
        return str(match.view_name)
    data = getattr(record, "data", None)  # Celery's, of a task that failed
    return str(data.get("name", "")) if isinstance(data, dict) else ""


def _exception(one: dict[str, Any]) -> dict[str, Any]:
    frames = (one.get("stacktrace") or {}).get("frames", [])
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "stacktrace": {
            "frames": [
                {name: frame[name] for name in FRAME if name in frame}
                | {"in_app": str(frame.get("module")).partition(".")[0] in OURS}
                for frame in frames
            ]
        },
    }
