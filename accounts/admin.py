"""For operators: people can be added and changed, keys and the audit trail only read."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import ApiKey, AuditEvent, User
from accounts.read_only_admin import ReadOnlyAdmin


class NewUserForm(forms.ModelForm):
    """A person starts without a password: `manage.py password_link` lets them set one."""

    class Meta:
        model = User
        fields = ("email", "name", "role", "is_auditor")


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    list_display = ("email", "name", "role", "is_auditor", "is_active", "last_login")
    list_filter = ("role", "is_active", "is_auditor")
    search_fields = ("email", "name")
    fields = ("email", "name", "role", "is_auditor", "is_active", "last_login", "created_at")
    readonly_fields = ("last_login", "created_at")

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            return NewUserForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": NewUserForm.Meta.fields})]
        return super().get_fieldsets(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # a person who did something stays named in the record; deactivate instead

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save and record in the admin's own transaction."""
        before = User.objects.filter(pk=obj.pk).values("role", "is_auditor", "is_active").first()
        obj.email = obj.email.strip().lower()
        if not change:
            obj.set_unusable_password()
        obj.save()
        actor = request.user if isinstance(request.user, User) else None
        after = {"role": obj.role, "is_auditor": obj.is_auditor, "is_active": obj.is_active}
        audit.record(
            "user.changed" if change else "user.created",
            actor=actor,
            target=obj,
            owner=obj,
            before=before,
            after=after,
        )


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ("name", "owner", "prefix", "created_at", "expires_at", "revoked_at")
    exclude = ("digest",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("at", "action", "actor_id", "target_type", "target_id", "chain", "seq")
    list_filter = ("action", "target_type")
    search_fields = ("target_id", "request_id")
    show_full_result_count = False


# Not used here: roles decide what people may do, allauth's own addresses follow User.email, single
# sign-on is set by the environment, and factors and sessions change only with their events.
admin.site.unregister(
    [Group, EmailAddress, Authenticator, UserSession, SocialAccount, SocialApp, SocialToken]
)
admin.site.site_header = admin.site.site_title = _("Unmask, for operators")
