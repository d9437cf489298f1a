"""Every address of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from deepfake_site import health, metrics

admin.autodiscover()
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", include("detection.web.urls")),
    path("", include("accounts.web.urls")),
    path("api/", include("detection.api.openapi")),
    path("api/v1/", include("detection.api.urls")),
    path("accounts/", include("accounts.web.allauth_urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
handler500 = "deepfake_site.server_error.server_error"
