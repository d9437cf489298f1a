from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class DetectionConfig(AppConfig):
    name = "detection"
    verbose_name = _("Images and verdicts")

    def ready(self) -> None:
        from accounts import erasure
        from detection import fixed_verdicts, history_triggers, kept_notes, own_data, relatives
        from detection.services import (
            case_people,
            feedback,
            idempotency,
            reports,
            resumable,
            review,
            reviewed_labels,
            saved_filters,
            telling,
            webhooks,
        )

        relatives.register()
        own_data.register()
        erasure.register_part(case_people.forget_person)
        erasure.register_part(feedback.forget_person)
        erasure.register_part(idempotency.forget_person)
        erasure.register_part(reports.forget_person)
        erasure.register_part(resumable.forget_person)
        erasure.register_part(review.forget_person)
        erasure.register_part(reviewed_labels.forget_person)
        erasure.register_part(webhooks.forget_person)
        erasure.register_part(telling.forget_person)
        erasure.register_part(saved_filters.forget_person)
        erasure.register_addresses(saved_filters.forget_addresses)
        post_migrate.connect(fixed_verdicts.install, sender=self)
        post_migrate.connect(kept_notes.install, sender=self)
        post_migrate.connect(history_triggers.install, sender=self)
