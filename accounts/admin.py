"""For operators, to read; people are managed on pages of their own."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, AuditEvent, User
from accounts.read_only_admin import ReadOnlyAdmin


@admin.register(User)
class UserAdmin(ReadOnlyAdmin):
    list_display = ("email", "name", "role", "is_auditor", "is_active", "last_login")
    list_filter = ("role", "is_active", "is_auditor")
    search_fields = ("email", "name")
    exclude = ("password",)


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
