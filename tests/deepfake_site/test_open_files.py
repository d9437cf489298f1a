"""A web process may hold as many files open as the system lets it."""

import resource
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from deepfake_site import gunicorn_conf, open_files

FILES = resource.RLIMIT_NOFILE


@pytest.fixture
def hard() -> Iterator[int]:
    """The hard limit, where the soft one is low."""
    soft, hard = resource.getrlimit(FILES)
    resource.setrlimit(FILES, (512, hard))
    yield hard
    resource.setrlimit(FILES, (soft, hard))


def test_the_web_server_raises_the_limit_before_it_starts(hard):
    config = Config()
    config.set("on_starting", gunicorn_conf.on_starting)
    config.on_starting(None)
    soft, still = resource.getrlimit(FILES)
    assert still == hard
    assert soft > 512


@pytest.mark.parametrize(
    ("limits", "raised_to"),
    [
        ((1024, 4096), [(4096, 4096)]),
        ((1024, 10**9), [(open_files.ENOUGH, 10**9)]),
        (
            (256, resource.RLIM_INFINITY),
            [(open_files.ENOUGH, resource.RLIM_INFINITY)],
        ),
        ((4096, 4096), []),
        ((100_000, 10**9), []),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), []),
    ],
)
def test_a_limit_is_raised_and_never_lowered(monkeypatch, limits, raised_to):
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _which, both: seen.append(both))
    open_files.raise_limit()
    assert seen == raised_to
