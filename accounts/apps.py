from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People, keys and the audit trail")

    def ready(self) -> None:
        from accounts import second_factor_events, sessions, sign_in_events

        sign_in_events.connect()
        second_factor_events.connect()
        sessions.connect()
