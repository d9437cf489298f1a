from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DetectionConfig(AppConfig):
    name = "detection"
    verbose_name = _("Images and verdicts")

    def ready(self) -> None:
        from detection import own_data, relatives

        relatives.register()
        own_data.register()
