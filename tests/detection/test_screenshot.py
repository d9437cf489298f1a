"""The photograph inside a screenshot is proposed, and in a photograph nothing is."""

import io

import PIL.Image
import pytest

from detection.evidence.screenshot import photograph_inside
from tests import images, screenshots

PHOTO = images.photo_like(800, 600, seed=3)


def as_preview(picture: PIL.Image.Image) -> PIL.Image.Image:
    picture = picture.copy()
    picture.thumbnail((1024, 1024))
    return PIL.Image.open(io.BytesIO(images.encode(picture, "JPEG", quality=85)))


def overlap(found: tuple[float, ...], box: screenshots.Box, size: tuple[int, int]) -> float:
    """Share of both together that both have."""
    left, top = found[0] * size[0], found[1] * size[1]
    across, down = found[2] * size[0], found[3] * size[1]
    wide = min(left + across, box[0] + box[2]) - max(left, box[0])
    high = min(top + down, box[1] + box[3]) - max(top, box[1])
    both = max(0.0, wide) * max(0.0, high)
    return both / (across * down + box[2] * box[3] - both)


@pytest.mark.parametrize("theme", screenshots.THEMES)
@pytest.mark.parametrize("margin", [0, 16])
def test_it_finds_the_photograph_in_a_post_on_a_phone(theme, margin):
    page, box = screenshots.phone(PHOTO, theme, margin=margin)
    found = photograph_inside(as_preview(page))
    assert found is not None
    assert overlap(found, box, page.size) > 0.95


@pytest.mark.parametrize("theme", screenshots.THEMES)
def test_it_finds_the_photograph_in_an_article_in_a_browser(theme):
    page, box = screenshots.desktop(PHOTO, theme)
    found = photograph_inside(as_preview(page))
    assert found is not None
    assert overlap(found, box, page.size) > 0.95


def test_what_it_finds_lies_within_the_photograph():
    page, box = screenshots.desktop(PHOTO, "light")
    left, top, width, height = photograph_inside(as_preview(page))
    assert left * page.width >= box[0]
    assert top * page.height >= box[1]
    assert (left + width) * page.width <= box[0] + box[2]
    assert (top + height) * page.height <= box[1] + box[3]


@pytest.mark.parametrize("theme", screenshots.THEMES)
def test_it_finds_nothing_in_text(theme):
    assert photograph_inside(as_preview(screenshots.text_alone(theme))) is None


def test_it_finds_nothing_in_photographs():
    found = [photograph_inside(as_preview(images.photo_like(640, 480, seed=n))) for n in range(20)]
    assert found == [None] * 20


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (8, 8)])
def test_it_copes_with_slivers(size):
    assert photograph_inside(PIL.Image.new("RGB", size, "white")) is None


def test_it_finds_nothing_in_half_a_white_picture():
    picture = PIL.Image.new("RGB", (640, 480), "white")
    picture.paste(images.photo_like(640, 240), (0, 240))
    assert photograph_inside(as_preview(picture)) is None
