from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class DetectionConfig(AppConfig):
    name = "detection"
    verbose_name = _("Images and verdicts")

    def ready(self) -> None:
        from accounts.erasure import register_forgetting
        from detection import fixed_verdicts, own_data, relatives
        from detection.services.resumable import forget_person

        relatives.register()
        own_data.register()
        register_forgetting(forget_person)
        post_migrate.connect(fixed_verdicts.install, sender=self)
