"""What the actions of the audit trail mean, in words for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ACTIONS: dict[str, Promise] = {
    "api_key.created": _("API key made"),
    "api_key.rotated": _("API key rotated"),
    "api_key.revoked": _("API key revoked"),
    "api_key.used": _("API key used from a network, first time that day"),
    "audit.exported": _("Audit events exported"),
    "audit.keyed": _("Events carry a MAC from here on"),
    "audit.restore_acknowledged": _("Restored backup acknowledged"),
    "audit.sealed": _("Checkpoint signed"),
    "detection.completed": _("Verdict given"),
    "detection.failed": _("Could not be judged"),
    "detections.exported": _("History exported"),
    "detection.retried": _("Judged again on request"),
    "feedback.given": _("Feedback given"),
    "image.confidentiality_changed": _("Confidentiality changed"),
    "image.downloaded": _("Original downloaded"),
    "image.erased": _("Image erased"),
    "image.held": _("Put on legal hold"),
    "image.hold_lifted": _("Legal hold lifted"),
    "image.restored": _("Lost original restored"),
    "image.tagged": _("Tag added"),
    "image.untagged": _("Tag removed"),
    "model_version.activated": _("Model put into service"),
    "model_version.registered": _("Model registered"),
    "recovery_code.used": _("Recovery code used"),
    "recovery_codes.made": _("Recovery codes made"),
    "recovery_codes.removed": _("Recovery codes removed"),
    "second_factor.added": _("Second factor added"),
    "second_factor.failed": _("Second factor failed"),
    "second_factor.removed": _("Second factor removed"),
    "submission.accepted": _("Image submitted"),
    "user.changed": _("Person’s account changed"),
    "user.created": _("Person’s account made"),
    "user.data_downloaded": _("Own data downloaded"),
    "user.disabled": _("Account disabled"),
    "user.erased": _("Person erased"),
    "user.identity_connected": _("Single sign-on connected"),
    "user.password_changed": _("Password changed"),
    "user.password_link_made": _("Password link made"),
    "user.profile_changed": _("Own profile changed"),
    "user.reactivated": _("Account active again"),
    "user.sessions_ended": _("Sessions ended"),
    "user.sign_in_failed": _("Sign-in failed"),
    "user.signed_in": _("Signed in"),
    "user.signed_out": _("Signed out"),
    "webhook_delivery.failed": _("Webhook given up"),
    "webhook_delivery.resent": _("Webhook sent again"),
    "webhook_endpoint.changed": _("Webhook endpoint changed"),
    "webhook_endpoint.created": _("Webhook endpoint made"),
    "webhook_endpoint.deleted": _("Webhook endpoint deleted"),
    "webhook_endpoint.disabled": _("Webhook endpoint switched off"),
    "webhook_endpoint.enabled": _("Webhook endpoint switched on"),
    "webhook_endpoint.resent": _("Failed webhooks sent again"),
    "webhook_endpoint.rotated": _("Webhook secret rotated"),
}

TARGETS: dict[str, Promise] = {
    "apikey": _("API key"),
    "auditchain": _("Audit trail"),
    "detection": _("Detection"),
    "feedback": _("Feedback"),
    "image": _("Image"),
    "modelversion": _("Model"),
    "submission": _("Submission"),
    "user": _("Person"),
    "webhookdelivery": _("Webhook"),
    "webhookendpoint": _("Webhook endpoint"),
}


def action_words(action: str) -> str:
    """The action in words; its code where no words are known."""
    return str(ACTIONS.get(action, action))


def target_words(target_type: str) -> str:
    return str(TARGETS.get(target_type, target_type))
