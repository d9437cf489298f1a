"""What a request may bring: type, bytes and pixels, read from the header alone."""

from django.conf import settings
from django.utils.formats import number_format

from detection.errors import Refused
from detection.uploads import StoredUpload
from ml.errors import UnreadableImage
from ml.header import ImageHeader, check_pixels, format_of, read_header

MAGIC_BYTES = 32  # so many say what a file is


def accept(upload: StoredUpload) -> ImageHeader:
    """Read an upload's header and hold it against the limits.

    Raises:
        Refused: 413 over the byte limit, 415 not an accepted type, 422 over the pixel limit,
            507 when the disk was full while it came in, 400 when there are no bytes.
    """
    if upload.refusal:
        is_too_large = upload.refusal == "too_large"
        raise Refused(upload.refusal, at_most(settings.MAX_UPLOAD_BYTES) if is_too_large else "")
    try:
        header = read_header(upload.file)
        check_pixels(header)
    except UnreadableImage as error:
        about = error.detail if error.code == "too_many_pixels" else ""
        raise Refused(error.code, about) from error
    return header


def at_most(max_bytes: int) -> str:
    """A limit, as the detail of a refusal."""
    return f"≤ {number_format(max_bytes // (1024 * 1024))} MB"


def accept_size(size_bytes: int) -> None:
    """Hold a file that is still to come against the limit.

    Raises:
        Refused: 400 for one without bytes, 413 over the limit.
    """
    if size_bytes == 0:
        raise Refused("empty_file")
    if size_bytes > settings.MAX_UPLOAD_BYTES:
        raise Refused("too_large", at_most(settings.MAX_UPLOAD_BYTES))


def accept_beginning(magic: bytes) -> None:
    """Refuse a file by its first `MAGIC_BYTES`, before the rest has come.

    Raises:
        Refused: 415 for what is none of the accepted types.
    """
    if format_of(magic) is None:
        raise Refused("unsupported_format")
