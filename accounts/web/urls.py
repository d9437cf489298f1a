"""Pages about people, keys and the audit trail."""

from django.urls import path

from accounts.web import audit_pages, key_pages

urlpatterns = [
    path("keys", key_pages.keys, name="keys"),
    path("keys/<int:pk>/rotate", key_pages.rotate, name="key_rotate"),
    path("keys/<int:pk>/revoke", key_pages.revoke, name="key_revoke"),
    path("audit", audit_pages.trail, name="audit_trail"),
    path("audit/export", audit_pages.export, name="audit_export"),
    path(
        "audit/<slug:target_type>/<str:target_id>",
        audit_pages.life,
        name="audit_life",
    ),
]
