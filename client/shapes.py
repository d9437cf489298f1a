"""The shapes of a desk's answers, as docs/api.md has them; a desk may add fields to each."""

from typing import Any, NotRequired, TypedDict


class Terms(TypedDict, total=False):
    """What a submission may say beside its image."""

    metadata: dict[str, Any]
    priority: str  # interactive or bulk
    is_confidential: bool
    callback_url: str


class Code(TypedDict):
    code: str
    detail: str


class Image(TypedDict):
    sha256: str
    width: int
    height: int
    format: str
    bytes: int


class Face(TypedDict):
    box: list[float]
    probability: float


class Expected(TypedDict):
    """The probability under the share of fakes that the desk expects."""

    probability: float
    fake_share: float
    calibration_fake_share: float


class Model(TypedDict):
    name: str
    version: str
    artifact_sha256: str


class Links(TypedDict):
    page: str
    report: str | None
    heatmap: str | None


class Detection(TypedDict):
    """One image judged by one model version; `status` is queued, running, done or failed."""

    id: str
    status: str
    created_at: str
    completed_at: str | None
    image: Image
    verdict: str | None
    probability: float | None
    expected: NotRequired[Expected | None]
    reasons: list[str]
    faces: list[Face]
    failure: Code | None
    model: Model
    operating_point: dict[str, Any]
    links: Links
    metadata: dict[str, Any]


class BatchItem(TypedDict):
    """One image of a batch, in the order sent: a detection, or the problem it was refused with."""

    position: int
    file_name: str
    status: int
    detection: Detection | None
    problem: dict[str, Any] | None


class AcceptedBatch(TypedDict):
    id: str
    links: dict[str, str]
    results: list[BatchItem]


class Counts(TypedDict):
    queued: int
    running: int
    done: int
    failed: int
    refused: int


class Batch(TypedDict):
    id: str
    created_at: str
    size: int
    counts: Counts
    links: dict[str, str]


class Feedback(TypedDict):
    id: NotRequired[str | int]
    label: str
    category: str
    comment: str
