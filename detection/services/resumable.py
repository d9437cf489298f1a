"""An upload in pieces, from the promise of a size to the submission that its last byte makes."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import ApiKey, User
from detection import part_files, validators
from detection.errors import Refused
from detection.models import ResumableUpload, Submission
from detection.part_files import PartFile
from detection.services import keeping, submission

MAX_OPEN = 20  # for each person, so that they hold at most twenty times the largest upload
# Statuses that say something of the file: sending it again would not help.
FILE_IS_TO_BLAME = {400, 413, 415, 422}


def begin(
    *, by: User, api_key: ApiKey | None, size_bytes: int, file_name: str, fields: dict[str, Any]
) -> ResumableUpload:
    """Make room for a file that comes in pieces.

    Args:
        fields: of `submission.Request`, already validated.
    Raises:
        Refused: what can be known before the first byte: its size, the disk, too many others.
    """
    validators.accept_size(size_bytes)
    if shutil.disk_usage(settings.DATA_DIR).free < size_bytes:
        raise Refused("disk_full")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=by.pk)  # two at once must not both be the last
        if ResumableUpload.objects.open().filter(owner=by).count() >= MAX_OPEN:
            raise Refused("too_many_uploads")
        upload = ResumableUpload.objects.create(
            owner=by,
            api_key=api_key,
            size_bytes=size_bytes,
            file_name=submission.shown_name(os.path.basename(file_name)),
            fields=fields,
            expires_at=timezone.now() + settings.RESUMABLE_UPLOAD_LIFE,
        )
        part_files.path_of(upload.pk).touch(mode=part_files.WRITABLE, exist_ok=False)
    return upload


def receive(
    upload: ResumableUpload,
    *,
    offset: int,
    length: int,
    read: Callable[[int], bytes],
    checksum: tuple[str, bytes] | None = None,
) -> int:
    """Append the next bytes; the last ones submit the image. Gives the offset of the next.

    Raises:
        Refused: wrong_offset, longer_than_announced or upload_locked, and nothing was written;
            upload_gone; what `PartFile.append` refuses; what `submission` refuses, which ends the
            upload where the file is to blame.
    """
    with _held(upload) as part:
        size = part.size if part else upload.size_bytes
        if offset != size:
            raise Refused("wrong_offset", str(size))
        if length > upload.size_bytes - size:
            raise Refused("longer_than_announced")
        if part is None:
            return size
        part.append(read, length, checksum)
        return _next_offset(upload, part)


def offset_of(upload: ResumableUpload) -> int:
    """How much came. Submits what is whole and was not submitted, because a crash came between.

    Raises:
        Refused: as `receive`.
    """
    size = part_files.size_of(upload.pk)
    if size is not None and size < upload.size_bytes:
        return size
    with _held(upload) as part:
        return _next_offset(upload, part) if part else upload.size_bytes


def terminate(upload: ResumableUpload) -> None:
    """Forget an upload; what it has submitted stays.

    Raises:
        Refused: upload_locked.
    """
    _remove(upload)


def remove_expired() -> int:
    """Forget the uploads whose time is over, but for those that are being written."""
    removed = 0
    for upload in ResumableUpload.objects.filter(expires_at__lte=timezone.now()):
        try:
            _remove(upload, is_patient=False)
        except Refused:
            continue
        removed += 1
    return removed


def forget_person(person: User) -> None:
    """Forget all uploads of a person, within the transaction that erases them."""
    uploads = ResumableUpload.objects.filter(owner=person)
    paths = [part_files.path_of(pk) for pk in uploads.values_list("pk", flat=True)]
    uploads.delete()
    for path in paths:
        transaction.on_commit(partial(path.unlink, missing_ok=True), robust=True)


@contextmanager
def _held(upload: ResumableUpload) -> Iterator[PartFile | None]:
    """The upload's file and its row as it is now; None for the file once it was submitted."""
    with ExitStack() as stack:
        try:
            part = stack.enter_context(part_files.held(upload.pk))
        except FileNotFoundError:
            part = None
        try:
            upload.refresh_from_db()
        except ResumableUpload.DoesNotExist:
            raise Refused("upload_gone") from None
        if upload.submission_id is None and (part is None or upload.has_ended):
            raise Refused("upload_gone")
        yield None if upload.submission_id else part


def _next_offset(upload: ResumableUpload, part: PartFile) -> int:
    """Where the next bytes go; ends an upload that can come to nothing, and submits a whole one."""
    size = part.size
    try:
        if size >= validators.MAGIC_BYTES:
            validators.accept_beginning(part.beginning(validators.MAGIC_BYTES))
        if size == upload.size_bytes:
            _submit(upload, part)
    except Refused as refusal:
        if refusal.status in FILE_IS_TO_BLAME:
            _end(upload, part)
        raise
    return size


def _submit(upload: ResumableUpload, part: PartFile) -> None:
    """Like any other upload, in one transaction with the row's saying so; so it happens once."""
    wanted = submission.Request(
        by=upload.owner,
        via=Submission.Via.API if upload.api_key else Submission.Via.PAGE,
        api_key=upload.api_key,
        **upload.fields,
    )
    row = ResumableUpload.objects.filter(pk=upload.pk, submission=None)
    with (
        part.as_upload(upload.file_name) as stored,
        keeping.kept(stored, by=upload.owner) as file,
        transaction.atomic(),
    ):
        if row.select_for_update().first() is None:  # held before the first event
            raise Refused("upload_gone")
        upload.submission = submission.accept(file, wanted)
        row.update(submission=upload.submission, file_name="", fields={})  # they are its now
    part.remove()


def _end(upload: ResumableUpload, part: PartFile) -> None:
    """The row stays as one whose time is over, so that a client that asks again learns of it."""
    ResumableUpload.objects.filter(pk=upload.pk).update(
        expires_at=timezone.now(), file_name="", fields={}
    )
    part.remove()


def _remove(upload: ResumableUpload, *, is_patient: bool = True) -> None:
    try:
        with part_files.held(upload.pk, is_patient=is_patient) as part:
            upload.delete()
            part.remove()
    except FileNotFoundError:
        upload.delete()
