"""Typed readers of the environment: a bad value stops the start and names its variable."""

import ipaddress
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
MAX_CERTIFICATES = 500_000  # characters; they go along with each file that has credentials


def env_str(name: str, default: str = "") -> str:
    """Read text; surrounding white space is dropped."""
    return os.environ.get(name, default).strip()


def env_bool(name: str, *, default: bool = False) -> bool:
    """Read a switch: 1, true, yes, on or 0, false, no, off."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in TRUE:
        return True
    if value.strip().lower() in FALSE:
        return False
    raise ImproperlyConfigured(
        f"{name} is {value!r}; say one of 1, true, yes, on, 0, false, no, off."
    )


def env_int(name: str, default: int, *, minimum: int = 0, maximum: int = 2**31) -> int:
    """Read a whole number within its bounds."""
    value = env_str(name) or str(default)
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} is {number}; it must lie in [{minimum}, {maximum}].")
    return number


def env_choice(name: str, default: str, choices: set[str]) -> str:
    """Read one of a few words."""
    value = env_str(name) or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; say one of {', '.join(sorted(choices))}.")
    return value


def env_choices(name: str, choices: set[str]) -> set[str]:
    """Read any number of a few words, separated by commas."""
    words = set(env_list(name))
    if unknown := words - choices:
        raise ImproperlyConfigured(
            f"{name} has {', '.join(sorted(unknown))}; "
            f"say any of {', '.join(sorted(choices))}, separated by commas."
        )
    return words


def env_list(name: str) -> list[str]:
    """Read words separated by commas."""
    return [word.strip() for word in env_str(name).split(",") if word.strip()]


def env_networks(name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Read networks like 10.1.2.0/24 or fd00:1::/64, separated by commas."""
    try:
        return [ipaddress.ip_network(word) for word in env_list(name)]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is {env_str(name)!r}; it must hold networks like 10.1.2.0/24: {error}."
        ) from None


def env_secret(name: str, *, default_file: Path | None = None) -> str:
    """Read a secret from NAME, from the file NAME_FILE names, or from a file of our own.

    Raises:
        ImproperlyConfigured: the file cannot be read, or is no text.
    """
    if value := env_str(name):
        return value
    named = env_str(f"{name}_FILE")
    path = Path(named) if named else default_file
    if path is None or (not named and not path.exists()):
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE is {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{name}_FILE is {str(path)!r}, which is no text.") from None


def env_certificates(name: str) -> str:
    """Read the certificates (PEM) of a file, or of every `*.pem` in a folder; empty for none."""
    if not (place := env_str(name)):
        return ""
    path = Path(place)
    files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
    try:
        text = "\n".join(file.read_text("ascii") for file in files)
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{name} is {place!r}, which cannot be read: {error}") from None
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ImproperlyConfigured(f"{name} is {place!r}, which holds no certificate in PEM.")
    if len(text) > MAX_CERTIFICATES:
        raise ImproperlyConfigured(
            f"{name} has {len(text)} characters; at most {MAX_CERTIFICATES} are read."
        )
    return text
