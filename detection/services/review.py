"""The review desk: which detections a person should look at, and what reviewers decided."""

from accounts.models import User
from detection.models import Detection, ReviewItem


def open_item(detection: Detection, reason: str, *, by: User | None = None) -> ReviewItem | None:
    """Bring a detection to the desk, in the caller's transaction, which holds its image fast.

    An open item gets the reason in addition; whatever is confidential or erased gets none.

    Args:
        reason: of `ReviewItem.Reason`.
        by: who asked for it; None for a rule.
    """
    raise NotImplementedError
