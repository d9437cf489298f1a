"""ZIP files of labelled pictures drawn in code, and hostile ones."""

import io
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from detection.uploads import StoredUpload
from tests import images
from tests.factories import stored_upload


def zip_bytes(files: Mapping[str, bytes], *, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def picture(seed: int, *, side: int = 96) -> Image.Image:
    """Patches of light and shade with detail enough to be told from others by its look."""
    coarse = np.random.default_rng(seed).integers(10, 245, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)


def pictures(count: int, *, start: int = 0, side: int = 96) -> list[bytes]:
    """So many JPEGs that do not look alike."""
    drawn = (picture(start + at, side=side) for at in range(count))
    return [images.encode(one, "JPEG", quality=90) for one in drawn]


def resaved(seed: int, *, quality: int = 60) -> bytes:
    """The picture of that seed as a messenger saves it."""
    return images.encode(picture(seed).resize((112, 84)), "JPEG", quality=quality)


def mirrored(seed: int) -> bytes:
    turned = picture(seed).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return images.encode(turned, "JPEG", quality=90)


def labelled(count: int, *, start: int = 0, side: int = 96) -> dict[str, bytes]:
    """The paper's own layout: half in `Real/`, half in `Fake/`."""
    names = [f"{'Real' if at % 2 else 'Fake'}/{at:04}.jpg" for at in range(count)]
    return dict(zip(names, pictures(count, start=start, side=side), strict=True))


def zipped(files: Mapping[str, bytes], name: str = "set.zip") -> StoredUpload:
    """An uploaded archive, as the handler leaves it."""
    return stored_upload(zip_bytes(files), name)


def written(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def with_link() -> bytes:
    """A member that is a symbolic link to a file of the system."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("Real/link.jpg")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return buffer.getvalue()


def bomb() -> bytes:
    """Zeros that take a thousandth of their size."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("Real/zeros.jpg", "w") as member,
    ):
        for _ in range(128):
            member.write(bytes(1 << 20))
    return buffer.getvalue()


def overlapping() -> bytes:
    """Two names for the same bytes: the second entry of the directory leads to the first file."""
    whole = bytearray(zip_bytes({"Real/a.jpg": b"x" * 100, "Real/b.jpg": b"x" * 100}))
    second = whole.rfind(b"PK\x01\x02")
    whole[second + 42 : second + 46] = bytes(4)
    return bytes(whole)


def locked() -> bytes:
    whole = bytearray(zip_bytes({"Real/a.jpg": b"x"}))
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.find(magic) + at] |= 1
    return bytes(whole)


def crowded() -> bytes:
    """A directory that claims to be larger than any that is read."""
    whole = bytearray(zip_bytes({"Real/a.jpg": b"x"}))
    end = whole.rfind(b"PK\x05\x06")
    whole[end + 12 : end + 16] = (1 << 30).to_bytes(4, "little")
    return bytes(whole)


HOSTILE = {
    "traversal": (lambda: zip_bytes({"../../etc/cron.d/job": b"x"}), "archive_hostile"),
    "absolute": (lambda: zip_bytes({"/etc/cron.d/job": b"x"}), "archive_hostile"),
    "backslashes": (lambda: zip_bytes({"Real\\..\\..\\a.jpg": b"x"}), "archive_hostile"),
    "drive": (lambda: zip_bytes({"C:\\Real\\a.jpg": b"x"}), "archive_hostile"),
    "link": (with_link, "archive_hostile"),
    "nested": (lambda: zip_bytes({"Real/more.ZIP": zip_bytes({"a": b"x"})}), "archive_nested"),
    "bomb": (bomb, "archive_bomb"),
    "overlapping": (overlapping, "archive_bomb"),
    "locked": (locked, "archive_locked"),
    "crowded": (crowded, "import_too_many_files"),
    "damaged": (lambda: zip_bytes({"Real/a.jpg": b"x"})[:-30], "archive_damaged"),
    "no archive": (lambda: b"\xff\xd8\xff" * 50, "archive_damaged"),
}
