"""The OpenAPI document as a whole, and the page that shows it."""

from typing import Any

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from detection.api.shapes import SCHEMAS


def with_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the shapes that operations refer to; a hook of drf-spectacular."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(SCHEMAS)
    return result


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api_schema", template_name="api_docs.html"),
        name="api_docs",
    ),
]
