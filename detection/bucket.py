"""Objects of the bucket that may stand in for the shared part of the data folder.

One request each, so that an object is there whole or not at all. Whatever hinders a request is
`StorageAway`, but for an object that is not there (FileNotFoundError), a name that is taken
(FileExistsError) and a bucket that is full (OSError with ENOSPC), as a disk would say it.
See docs/decisions/0024.
"""

import base64
import errno
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

from django.conf import settings

from detection.errors import StorageAway

log = logging.getLogger(__name__)
_rests_until: dict[str, float] = {}  # by endpoint, on this process's own clock

CHUNK_BYTES = 1 << 20
TRIES = 2  # in all; with the time-outs, less than the time limit of a task
SLOWEST = 10  # a download takes at most so many time-outs, however slowly its bytes come
PROBE_TIMEOUT_S = 2
REST_S = 5  # a server that gave no answer is not asked again by this process: threads are few
MOST_CONNECT_S = 3
MISSING = {"404", "NoSuchKey", "NotFound"}
TAKEN = {"PreconditionFailed", "412"}
FULL = {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"}
# Of servers that know no versions, and of keys that may not ask for them.
NO_VERSIONS = {"NotImplemented", "MethodNotAllowed", "AccessDenied", "501", "405", "403"}


@dataclass(frozen=True)
class Stored:
    """One object, by its name below our prefix; `changed_at` in seconds since 1970."""

    name: str
    size_bytes: int
    changed_at: float


def put(name: str, body: BinaryIO, *, is_new: bool = False) -> None:
    """Store an object; the server compares the bytes that came with their SHA-256.

    Args:
        body: seekable, from its beginning.
        is_new: refuse, rather than replace, an object that is there.
    Raises:
        FileExistsError: another object has the name.
    """
    digest = hashlib.file_digest(body, "sha256")  # type: ignore[arg-type]
    body.seek(0)
    condition = {"IfNoneMatch": "*"} if is_new else {}
    try:
        with _asked(name):
            _client().put_object(
                **_place(name),
                **condition,
                **_encryption(),
                Body=body,
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
                Metadata={"sha256": digest.hexdigest()},
            )
    except FileExistsError:
        # The answer to an earlier try may have been lost, and the object may be that try's.
        if stated_sha256(name) != digest.hexdigest():
            raise


def exists(name: str) -> bool:
    try:
        with _asked(name):
            _client().head_object(**_place(name))
    except FileNotFoundError:
        return False
    return True


def fetched(name: str) -> BinaryIO:
    """All bytes of an object in a nameless file, which goes when it is closed."""
    file = cast(BinaryIO, TemporaryFile(dir=_folder()))  # noqa: SIM115
    try:
        with _asked(name):
            answer = _client().get_object(**_place(name))
            _copy(answer["Body"], file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def objects(beginning: str) -> Iterator[Stored]:
    """Objects whose names begin so, in the order of their names."""
    pages = _client().get_paginator("list_objects_v2")
    with _asked(beginning):
        for page in pages.paginate(Bucket=settings.S3_BUCKET, Prefix=_key(beginning)):
            for found in page.get("Contents", []):
                yield Stored(
                    found["Key"].removeprefix(settings.S3_PREFIX),
                    found["Size"],
                    found["LastModified"].timestamp(),
                )


def folders(beginning: str) -> Iterator[str]:
    """What stands for folders directly below one, which ends in a slash; by their names."""
    pages = _client().get_paginator("list_objects_v2")
    with _asked(beginning):
        for page in pages.paginate(
            Bucket=settings.S3_BUCKET, Prefix=_key(beginning), Delimiter="/"
        ):
            for found in page.get("CommonPrefixes", []):
                yield found["Prefix"].removeprefix(settings.S3_PREFIX).rstrip("/")


def move(name: str, target: str) -> None:
    """Give an object another name."""
    source = {"Bucket": settings.S3_BUCKET, "Key": _key(name)}
    with _asked(name):
        _client().copy_object(**_place(target), CopySource=source, **_encryption())
    remove(name)


def remove(name: str) -> None:
    """Remove one object with all its versions; one that is not there is no error."""
    for key, version in _versions(name):
        if key == _key(name):
            _delete(key, version)


def remove_all(beginning: str) -> None:
    """Remove all objects whose names begin so, with all their versions."""
    for key, version in _versions(beginning):
        _delete(key, version)


def is_there() -> bool:
    """Whether the bucket answers now; asked once and not for long, whatever was the case before."""
    _rests_until.pop(settings.S3_ENDPOINT, None)
    try:
        with _asked(""):
            _client(is_probe=True).head_bucket(Bucket=settings.S3_BUCKET)
    except (StorageAway, FileNotFoundError):
        return False
    return True


def _versions(beginning: str) -> list[tuple[str, str]]:
    """Keys with their versions, marks of deletion among them; an empty version is the only one."""
    where = {"Bucket": settings.S3_BUCKET, "Prefix": _key(beginning)}
    try:
        with _asked(beginning, but=NO_VERSIONS):
            pages = _client().get_paginator("list_object_versions")
            return [
                (found["Key"], found["VersionId"])
                for page in pages.paginate(**where)
                for found in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
            ]
    except LookupError:
        log.warning("the bucket lists no versions: if it keeps older ones, they stay in it")
    return [(_key(found.name), "") for found in objects(beginning)]


def _delete(key: str, version: str) -> None:
    which = {"VersionId": version} if version else {}
    with _asked(key):
        _client().delete_object(Bucket=settings.S3_BUCKET, Key=key, **which)


def stated_sha256(name: str) -> str:
    """What whoever stored an object said of it; its bytes may be others by now."""
    try:
        with _asked(name):
            return str(_client().head_object(**_place(name))["Metadata"].get("sha256", ""))
    except FileNotFoundError:
        return ""


def _copy(body: Any, file: BinaryIO) -> None:
    """Copy an answer, for no longer than the slowest one may take."""
    ends_at = time.monotonic() + SLOWEST * settings.S3_TIMEOUT_S
    for chunk in body.iter_chunks(CHUNK_BYTES):
        file.write(chunk)
        if time.monotonic() > ends_at:
            log.error("the bucket sends too slowly")
            raise StorageAway


@contextmanager
def _asked(name: str, *, but: frozenset[str] | set[str] = frozenset()) -> Iterator[None]:
    """Say what went wrong as a disk would.

    Args:
        but: codes that are raised as LookupError.
    """
    if time.monotonic() < _rests_until.get(settings.S3_ENDPOINT, 0):
        raise StorageAway
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        said = {code, status}
        if code in but or status in but:
            raise LookupError(code) from error
        if said & MISSING and code != "NoSuchBucket":
            raise FileNotFoundError(errno.ENOENT, "not in the bucket", name) from error
        if said & TAKEN:
            raise FileExistsError(errno.EEXIST, "taken in the bucket", name) from error
        if said & FULL:
            raise OSError(errno.ENOSPC, "the bucket is full", name) from error
        log.error("the bucket refuses %s: %s (%s)", error.operation_name, code, status)
        raise StorageAway from error
    except BotoCoreError as error:
        _rests_until[settings.S3_ENDPOINT] = time.monotonic() + REST_S
        log.error("the bucket is away: %s", type(error).__name__)
        raise StorageAway from error


def _client(*, is_probe: bool = False) -> Any:
    # Of this process: a connection that a fork shares mixes its answers up.
    place = (settings.S3_ENDPOINT, settings.S3_REGION)
    keys = (settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY)
    patience = (PROBE_TIMEOUT_S, 1) if is_probe else (settings.S3_TIMEOUT_S, TRIES)
    return _made_client(os.getpid(), place, keys, patience)


@lru_cache(maxsize=4)
def _made_client(
    _pid: int, place: tuple[str, str], keys: tuple[str, str], patience: tuple[int, int]
) -> Any:
    # Here, for a desk without a bucket has no need of the library.
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=min(patience[0], MOST_CONNECT_S),
        read_timeout=patience[0],
        retries={"mode": "standard", "total_max_attempts": patience[1]},
        max_pool_connections=32,  # as many as a web process has threads
        # We send the checksum that counts; many servers know no other, nor trailers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if place[0] else "auto"},
    )
    return Session().client(
        "s3",
        endpoint_url=place[0] or None,
        region_name=place[1] or None,
        aws_access_key_id=keys[0] or None,  # without them, where the library looks by itself
        aws_secret_access_key=keys[1] or None,
        config=config,
    )


def _key(name: str) -> str:
    return settings.S3_PREFIX + name


def _place(name: str) -> dict[str, str]:
    return {"Bucket": settings.S3_BUCKET, "Key": _key(name)}


def _encryption() -> dict[str, str]:
    if not settings.S3_ENCRYPTION:
        return {}
    key = {"SSEKMSKeyId": settings.S3_KMS_ID} if settings.S3_KMS_ID else {}
    return {"ServerSideEncryption": settings.S3_ENCRYPTION, **key}


def _folder() -> str:
    folder = settings.DATA_DIR / "incoming"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return str(folder)
