"""Where the faces are: a maintained detector's boxes and landmarks, largest first."""

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from ml.errors import ArtifactError

# The detector was made for pictures of this size; larger ones are reduced to it first.
SEARCH_SIDE_PX = 640
MIN_CONFIDENCE = 0.6
# A face of fewer pixels than this holds too little for a judgement of its own.
MIN_FACE_PX = 48
# Tight crops hide the outline the detector looks for: a second look with a border finds it.
BORDER_SHARE = 0.25
# What libfacedetection wants for its answer: how many, then for each 16 numbers of two bytes, which
# are its confidence in percent, the box, the landmarks and one that means nothing.
ANSWER_BYTES, COUNT_BYTES, ROW_LENGTH = 0x9000, 4, 16


@dataclass(frozen=True)
class FoundFace:
    """A face in a picture.

    Attributes:
        box: left, top, width, height in pixels of the picture that was searched; may reach
            beyond its edges.
        landmarks: both eyes, nose, both corners of the mouth, shape (5, 2), x then y.
        confidence: the detector's own, 0 to 1.
    """

    box: tuple[float, float, float, float]
    landmarks: np.ndarray
    confidence: float


def find_faces(pixels: np.ndarray) -> list[FoundFace]:
    """Faces of at least `MIN_FACE_PX`, the largest first.

    Args:
        pixels: (h, w, 3) uint8 RGB.
    Raises:
        ArtifactError: the detector has no build for this platform.
    """
    found = _search(pixels, 0.0) or _search(pixels, BORDER_SHARE)
    large = [face for face in found if min(face.box[2:]) >= MIN_FACE_PX]
    return sorted(large, key=lambda face: -face.box[2] * face.box[3])


def require_detector() -> None:
    """Make sure that faces can be found at all.

    Raises:
        ArtifactError: the detector has no build for this platform.
    """
    _detector()


def _search(pixels: np.ndarray, border_share: float) -> list[FoundFace]:
    """Faces in the picture with a border of this share of its longer side, reduced together."""
    longest = max(pixels.shape[:2])
    scale = min(1.0, SEARCH_SIDE_PX / (longest * (1 + 2 * border_share)))
    small = pixels if scale == 1 else _reduced(pixels, scale)
    border = round(border_share * max(small.shape[:2]))
    padded = np.pad(small, ((border, border), (border, border), (0, 0)), mode="edge")
    bgr = np.ascontiguousarray(padded[..., ::-1])
    return [_face(row, border, scale) for row in _rows(_detector()(bgr, MIN_CONFIDENCE))]


def _rows(found: Sequence[np.ndarray]) -> list[tuple[float, np.ndarray, np.ndarray]]:
    confidence, boxes, landmarks = found
    # 16 bit numbers, signed or not by the build: left of or above the picture they may wrap
    signed = [
        np.asarray(values).astype(np.uint16).astype(np.int16) for values in (boxes, landmarks)
    ]
    return [
        (float(c) / 100, b.astype(float), p.astype(float))
        for c, b, p in zip(confidence, *signed, strict=True)
    ]


def _face(row: tuple[float, np.ndarray, np.ndarray], border: int, scale: float) -> FoundFace:
    confidence, box, points = row
    left, top = (box[:2] - border) / scale
    width, height = box[2:] / scale
    landmarks = (points.reshape(5, 2) - border) / scale
    return FoundFace((left, top, width, height), landmarks, confidence)


def _reduced(pixels: np.ndarray, scale: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


@cache
def _detector() -> Callable[[np.ndarray, float], Sequence[np.ndarray]]:
    try:
        import yuface
    except ImportError as error:
        raise ArtifactError(
            "artifact_invalid", "this model judges faces, and their detector has no build here"
        ) from error
    # The package's own `detect` never frees the buffer it takes for its answer: 36 kB a look, 7 MB
    # for each hundred pictures without a face. So the library below it is asked, with one of ours.
    # Like `detect` it keeps other threads of Python's waiting meanwhile.
    library = ctypes.PyDLL(yuface.yuface.__file__)
    search = library._Z14facedetect_cnnPhS_iii  # int *facedetect_cnn(answer, pixels, w, h, stride)
    search.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int] * 3]
    search.restype = None

    def detect(bgr: np.ndarray, min_confidence: float) -> Sequence[np.ndarray]:
        # Its OpenMP starts a thread a core, which spin between two loops: a sixth faster where
        # nothing else runs, and on two cores with two workers 677 ms of CPU a verdict in place of
        # 255. The limit is the calling thread's own, so it is set at each call.
        library.omp_set_num_threads(1)
        answer = np.zeros(ANSWER_BYTES, np.uint8)
        height, width = bgr.shape[:2]
        search(answer.ctypes.data, bgr.ctypes.data, width, height, bgr.strides[0])
        count = int(answer[:COUNT_BYTES].view(np.int32)[0])
        rows = answer[COUNT_BYTES:].view(np.int16)[: count * ROW_LENGTH].reshape(-1, ROW_LENGTH)
        sure = rows[rows[:, 0] > 100 * min_confidence]
        return sure[:, 0], sure[:, 1:5], sure[:, 5:15]

    return detect
