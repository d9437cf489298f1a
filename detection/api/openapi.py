"""The OpenAPI document as a whole, and the page that shows it."""

import re
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request

from detection.api import (
    case_shapes,
    dataset_shapes,
    detection_shapes,
    evidence_shapes,
    monitoring_shapes,
    registry_shapes,
    report_shapes,
    review_shapes,
    shapes,
    told_shapes,
    training_shapes,
    webhook_shapes,
)

# Each has its part of the components, by name.
PARTS = (
    case_shapes,
    dataset_shapes,
    detection_shapes,
    evidence_shapes,
    monitoring_shapes,
    registry_shapes,
    report_shapes,
    review_shapes,
    shapes,
    told_shapes,
    training_shapes,
    webhook_shapes,
)


def with_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what drf-spectacular cannot know; it calls this at the end."""
    named = result.setdefault("components", {}).setdefault("schemas", {})
    for part in PARTS:
        named.update(part.SCHEMAS)
    for operations in result["paths"].values():
        for operation in operations.values():
            if about := operation.get("description"):
                operation["summary"] = re.split(r"[:;.]", " ".join(about.split()))[0]
            if "requestBody" in operation:  # what an operation takes, it needs
                operation["requestBody"]["required"] = True
    return result


RENDERERS = {renderer.media_type: renderer for renderer in SpectacularAPIView.renderer_classes}


@cache  # it takes long, and is the same for everybody who asks
def document(media_type: str) -> str | bytes:
    with translation.override("en"):  # like the API's own sentences
        schema = SchemaGenerator().get_schema(request=None, public=True)
    return RENDERERS[media_type]().render(schema, renderer_context={})


class Document(SpectacularAPIView):
    """As YAML or JSON, whichever the client accepts."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *_: Any, **__: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        content_type = f"{renderer.media_type}; charset=utf-8"
        answer = HttpResponse(document(renderer.media_type), content_type=content_type)
        answer["Content-Disposition"] = f'inline; filename="Unmask.{renderer.format}"'
        return answer


urlpatterns = [
    path("schema/", Document.as_view(), name="api_schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api_schema", template_name="api_docs.html"),
        name="api_docs",
    ),
]
