from accounts.models.api_key import ApiKey, ApiKeyUse
from accounts.models.audit_event import AuditChain, AuditDetail, AuditEvent
from accounts.models.rate_window import RateWindow
from accounts.models.user import User

__all__ = ["ApiKey", "ApiKeyUse", "AuditChain", "AuditDetail", "AuditEvent", "RateWindow", "User"]
