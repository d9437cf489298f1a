from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class DetectionConfig(AppConfig):
    name = "detection"
    verbose_name = _("Images and verdicts")

    def ready(self) -> None:
        from detection import fixed_verdicts, own_data, relatives

        relatives.register()
        own_data.register()
        post_migrate.connect(fixed_verdicts.install, sender=self)
