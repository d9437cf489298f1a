"""Searching by a picture that is not submitted: nothing of it is kept."""

from accounts.models import User
from deepfake_site.rate_limits import Limit, take
from detection import hashing, validators
from detection.errors import Refused
from detection.services.seen_before import Fingerprint, Found, find
from detection.uploads import StoredUpload
from ml.errors import DecoderUnavailable, UnreadableImage

SEARCHES = Limit(30, per_s=60)  # each holds a web process's decoder for as long as it decodes


def search(*, by: User, upload: StoredUpload) -> Found:
    """What this person may see of the picture in an upload, whose file is gone afterwards.

    Raises:
        Refused: the file is not acceptable or cannot be decoded, or it is one search too many.
    """
    with upload:
        validators.accept(upload)
        if not take("image_search", str(by.pk), SEARCHES).is_allowed:
            raise Refused("too_many_searches")
        return find(by, _fingerprint(upload))


def _fingerprint(upload: StoredUpload) -> Fingerprint:
    try:
        upright, in_mirror = hashing.hashes_of_file(upload.path)
    except UnreadableImage as error:
        raise Refused("not_decoded") from error
    except DecoderUnavailable as error:
        raise Refused("decoder_away") from error
    return Fingerprint(upload.sha256, upright, in_mirror)
