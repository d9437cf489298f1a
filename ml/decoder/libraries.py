"""Versions of the image libraries, and the oldest that may see an untrusted file."""

import re

from ml.errors import DecoderUnavailable

# The first versions without the memory holes known on 2026-11-22.
FLOORS = {
    "Pillow": "13.0.0",
    "libheif": "1.23.4",  # CVE-2026-84383
    "libde265": "1.1.1",  # CVE-2026-33165 and later slice-header overflows
    "libavif": "1.3.0",  # CVE-2025-48174, CVE-2025-48175
}


def check_libraries() -> dict[str, str]:
    """Versions in use by library, read in a decoder process of its own.

    Raises:
        DecoderUnavailable: library_too_old, naming the library, its version and the floor.
    """
    from ml.decoder.process import Decoder  # process.py refuses old libraries through this module

    with Decoder() as decoder:
        return decoder.libraries()


def refuse_old(versions: dict[str, str], floors: dict[str, str] = FLOORS) -> None:
    """Compare versions with the floors.

    Raises:
        DecoderUnavailable: library_too_old.
    """
    for library, floor in floors.items():
        version = versions.get(library, "")
        if _numbers(version) < _numbers(floor):
            raise DecoderUnavailable(
                "library_too_old",
                f"{library} is {version or 'missing'}, the oldest accepted version is {floor};"
                " update pillow, pillow-heif and c2pa-python",
            )


def installed() -> dict[str, str]:
    """Versions in this process; imports the libraries, so only the decoder's child calls it."""
    import PIL
    import pillow_heif
    from PIL import features

    heif = pillow_heif.libheif_info()
    return {
        "Pillow": PIL.__version__,
        "libheif": str(heif["libheif"]),
        "libde265": _numbers_in(str(heif["decoders"].get("libde265", ""))),
        "libavif": str(features.version("avif") or ""),
    }


def _numbers_in(text: str) -> str:
    found = re.search(r"version (\d+(?:\.\d+)*)", text)
    return found[1] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
