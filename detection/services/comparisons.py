"""A candidate beside the active model, on the same frozen images."""

from accounts.models import User
from detection.models import Comparison, ModelVersion, Snapshot


def order(candidate: ModelVersion, snapshot: Snapshot, *, by: User | None) -> Comparison:
    """Have a candidate compared with the active model; rings after the commit."""
    raise NotImplementedError
