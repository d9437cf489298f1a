"""The beginning of the block grid: the file's own, after a cut, and of a part from elsewhere."""

import numpy as np
import pytest

from detection.evidence import jpeg_grid
from detection.evidence.layer import NotDrawn, Source
from tests.detection.evidence.pictures import jpeg, saved, textured, with_part
from tests.images import photo_like


def test_a_picture_never_saved_as_jpeg_has_no_grid():
    figures = jpeg_grid.draw(Source(textured())).figures
    assert (figures["usual_grid"], figures["with_other_grid"]) == (None, 0)
    assert "was_saved_before" not in figures


@pytest.mark.parametrize("quality", [75, 85, 90, 95])
def test_a_jpeg_has_its_own_grid_and_no_other(quality):
    figures = jpeg_grid.draw(jpeg(textured(), quality)).figures
    assert figures["usual_grid"] == [0, 0]
    assert figures["with_usual_grid"] == figures["cells"]
    assert figures["with_other_grid"] == 0


@pytest.mark.parametrize("size", [(320, 320), (321, 327), (256, 383)])
@pytest.mark.parametrize("quality", [90, 96])
def test_the_last_cells_have_no_grid_of_their_own(size, quality):
    """Blocks that would reach out of the picture say nothing."""
    height, width = size
    calm = np.asarray(photo_like(width, height, seed=2))
    figures = jpeg_grid.draw(jpeg(calm, quality)).figures
    assert figures["with_other_grid"] == 0


@pytest.mark.parametrize(("left", "top"), [(3, 5), (1, 0), (7, 7)])
def test_a_cut_moves_the_grid(left, top):
    figures = jpeg_grid.draw(Source(saved(textured(), 80)[top:, left:])).figures
    assert figures["usual_grid"] == [(8 - left) % 8, (8 - top) % 8]
    assert figures["with_other_grid"] == 0


@pytest.mark.parametrize(("top", "left"), [(203, 301), (206, 306), (204, 300)])
def test_the_grid_of_a_part_is_the_usual_one_where_there_is_no_other(top, left):
    figures, _marks_of_it = _marks(Source(with_part(textured(), _part(), top, left)[0]))
    assert figures["usual_grid"] == [left % 8, top % 8]


@pytest.mark.parametrize(("top", "left"), [(203, 301), (206, 306)])
def test_a_part_off_the_grid_is_marked(top, left):
    """Half a block off in both directions, a grid is its own mirror image and not told apart."""
    spliced, mask = with_part(textured(), _part(), top, left)
    _figures, marks = _marks(jpeg(spliced, 95))
    assert marks[mask].mean() > 0.2
    assert marks[~mask].mean() < 0.05


def test_a_part_from_a_jpeg_is_marked_in_a_picture_with_another_grid():
    spliced, mask = with_part(saved(textured(), 90), _part(), 203, 301)
    figures, marks = _marks(Source(spliced))
    assert figures["usual_grid"] == [0, 0]
    assert {k: figures["other_grids"][0][k] for k in ("x", "y")} == {"x": 5, "y": 3}
    assert marks[mask].mean() > 0.5
    assert marks[~mask].mean() < 0.1  # cells that hold a corner of it


def test_of_a_large_picture_every_second_row_of_cells_is_looked_at(monkeypatch):
    whole = jpeg_grid.zero_shares(saved(textured(), 80))
    monkeypatch.setattr(jpeg_grid, "MOST_PIXELS", 600 * 800 - 1)
    half = jpeg_grid.zero_shares(saved(textured(), 80))
    assert half.shape == whole.shape
    assert (half[::2] == whole[::2]).all()
    assert (half[1::2] == whole[:-1:2]).all()


@pytest.mark.parametrize("size", [(63, 900), (1, 1000)])
def test_less_than_a_cell_is_refused(size):
    with pytest.raises(NotDrawn):
        jpeg_grid.draw(Source(np.zeros((*size, 3), np.uint8)))


def _part() -> np.ndarray:
    """200 × 256 pixels that begin with a block of their own JPEG."""
    return saved(textured(320, 384, seed=9), 65)[64:264, 64:320]


def _marks(source: Source) -> tuple[dict, np.ndarray]:
    drawn = jpeg_grid.draw(source)
    return drawn.figures, np.asarray(drawn.picture)[..., 3] > 0
