"""The OpenAPI document as a whole, and the page that shows it."""

import re
from typing import Any

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from detection.api.shapes import SCHEMAS


def with_components(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add what drf-spectacular cannot know; it calls this at the end."""
    result.setdefault("components", {}).setdefault("schemas", {}).update(SCHEMAS)
    for operations in result["paths"].values():
        for operation in operations.values():
            if about := operation.get("description"):
                operation["summary"] = re.split(r"[:;.]", " ".join(about.split()))[0]
            if "requestBody" in operation:  # what an operation takes, it needs
                operation["requestBody"]["required"] = True
    return result


urlpatterns = [
    path("schema/", SpectacularAPIView.as_view(), name="api_schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api_schema", template_name="api_docs.html"),
        name="api_docs",
    ),
]
