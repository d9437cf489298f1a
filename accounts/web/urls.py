"""Pages about people, keys and the audit trail."""

from django.urls import path

from accounts.web import account_pages, audit_pages, key_pages, people_pages

urlpatterns = [
    path("account", account_pages.account, name="account"),
    path("account/data", account_pages.own_data, name="own_data"),
    path("people", people_pages.people, name="people"),
    path("people/invite", people_pages.invite, name="invite"),
    path("people/<int:pk>", people_pages.person, name="person"),
    path("people/<int:pk>/link", people_pages.link, name="person_link"),
    path("people/<int:pk>/disable", people_pages.disable, name="person_disable"),
    path("people/<int:pk>/sign-out", people_pages.sign_out, name="person_sign_out"),
    path("people/<int:pk>/factors", people_pages.remove_factors, name="person_factors"),
    path("people/<int:pk>/erase", people_pages.erase, name="person_erase"),
    path("people/<int:pk>/reactivate", people_pages.reactivate, name="person_reactivate"),
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
