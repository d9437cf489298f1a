"""Tells the audit trail which request an action belongs to."""

from collections.abc import Callable
from dataclasses import replace

from django.http import HttpRequest, HttpResponse

from accounts.audit import RequestContext, context_var
from accounts.client_address import client_address
from accounts.models import ApiKey


class AuditContextMiddleware:
    """Binds the request's id and address for `audit.record`; runs after the request id is set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = getattr(request, "request_id", "")
        token = context_var.set(RequestContext(request_id, client_address(request)))
        try:
            return self.get_response(request)
        finally:
            context_var.reset(token)


def bind_key(key: ApiKey) -> None:
    """Say that the current request acts through this key."""
    context_var.set(replace(context_var.get(), key_prefix=key.prefix))
