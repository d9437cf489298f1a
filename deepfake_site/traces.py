"""Traces by OpenTelemetry, by OTEL_EXPORTER_OTLP_ENDPOINT; nothing is imported where it is empty.

One trace joins a request, the doorbell it rings and the task that answers it. Of a span only the
attributes named here are sent, and of an exception its type alone.
"""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

WITHIN = "whitenoise.middleware.WhiteNoiseMiddleware"  # what stands before it asks and knows little
NOT_TRACED = "healthz,readyz,metrics,static/"
REQUEST_ID = "unmask.request_id"
ANOTHERS = "unmask.another_image"
# No address, query, header, client, parameter, host of a worker or key of a cache.
ATTRIBUTES = {
    REQUEST_ID,
    ANOTHERS,
    "http.method",
    "http.request.method",
    "http.route",
    "http.status_code",
    "http.response.status_code",
    "db.system",
    "db.system.name",
    "db.name",
    "db.namespace",
    "db.statement",
    "db.query.text",
    "celery.action",
    "celery.task_name",
    "celery.state",
    "messaging.destination",
    "messaging.message.id",
}
STATEMENTS = {"db.statement", "db.query.text"}
LITERAL = re.compile(r"'(?:[^']|'')*'")
_provider: "TracerProvider | None" = None


def start(exporter: "SpanExporter | None" = None) -> None:
    """Send traces from now on, where it is said where to; before the site's middleware is made.

    Args:
        exporter: what takes the spans, at once, instead of the network.
    """
    global _provider
    if _provider is not None or not settings.OTLP_ENDPOINT:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.propagate import set_global_textmap
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.util.re import parse_env_headers
    except ImportError as error:
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs the packages of the group `observe`: "
            "uv sync --group observe."
        ) from error
    ours = Resource({"service.name": "unmask", "service.version": settings.VERSION})
    _provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    if exporter:
        _provider.add_span_processor(SimpleSpanProcessor(_nobodys_data(exporter)))
    else:  # it reads the rest of OTEL_EXPORTER_OTLP_… itself
        headers = parse_env_headers(settings.OTLP_HEADERS, liberal=True)
        network = OTLPSpanExporter(headers=headers)
        _provider.add_span_processor(BatchSpanProcessor(_nobodys_data(network)))
    set_global_textmap(_between_ourselves())
    _instrument(_provider)


def stage(name: str) -> AbstractContextManager[object]:
    """A part of a task as a span of its own; nothing where no traces are sent."""
    if _provider is None:
        return nullcontext()
    return _provider.get_tracer("unmask").start_as_current_span(name)


def say_whose(*, is_another: bool) -> None:
    """Whether the task that runs is about another image than the request that rang for it."""
    if _provider is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attribute(ANOTHERS, is_another)


def stop(**_: Any) -> None:
    """Send what waits, and trace no more in this process."""
    global _provider
    if _provider is None:
        return
    for instrumentor in _instrumentors():
        instrumentor.uninstrument()
    _provider.shutdown()
    _provider = None


def _instrument(provider: "TracerProvider") -> None:
    django, *others = _instrumentors()
    django.instrument(
        tracer_provider=provider,
        middleware_position=settings.MIDDLEWARE.index(WITHIN),
        excluded_urls=NOT_TRACED,
        request_hook=_name_request,
    )
    # A span of a message whose task this process does not know is never ended.
    current_app.loader.import_default_modules()
    for instrumentor in others:
        instrumentor.instrument(tracer_provider=provider)


def _instrumentors() -> list[Any]:
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.instrumentation.psycopg2 import Psycopg2Instrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor

    return [DjangoInstrumentor(), CeleryInstrumentor(), Psycopg2Instrumentor(), RedisInstrumentor()]


def _name_request(span: Any, request: Any) -> None:
    span.set_attribute(REQUEST_ID, request.request_id)


def _between_ourselves() -> Any:
    """Hands a trace on in our own messages alone: a client begins none, ends none, names none."""
    from opentelemetry.context import Context
    from opentelemetry.instrumentation.celery import CeleryGetter
    from opentelemetry.propagators.textmap import Getter, default_getter
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    class OurMessages(TraceContextTextMapPropagator):
        def extract(
            self,
            carrier: Any,
            context: Context | None = None,
            getter: Getter[Any] = default_getter,
        ) -> Context:
            if isinstance(getter, CeleryGetter):
                return super().extract(carrier, context, getter)
            return context or Context()

    return OurMessages()


def _nobodys_data(exporter: "SpanExporter") -> "SpanExporter":
    """Takes what may name somebody out of spans before they go on to an exporter."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class NobodysData(SpanExporter):
        def export(self, spans: Sequence["ReadableSpan"]) -> SpanExportResult:
            return exporter.export([_without_persons(span) for span in spans])

        def shutdown(self) -> None:
            exporter.shutdown()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return exporter.force_flush(timeout_millis)

    return NobodysData()


def _without_persons(span: "ReadableSpan") -> "ReadableSpan":
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Status

    attributes = {
        name: LITERAL.sub("'?'", str(value)) if name in STATEMENTS else value
        for name, value in (span.attributes or {}).items()
        if name in ATTRIBUTES
    }
    events = [
        Event(
            event.name,
            {"exception.type": (event.attributes or {}).get("exception.type", "")},
            event.timestamp,
        )
        for event in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=events,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
