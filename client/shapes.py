"""The shapes of a desk's answers, as docs/api.md has them; a desk may add fields to each."""

from typing import Any, NotRequired, TypedDict


class Terms(TypedDict, total=False):
    """What a submission may say beside its image."""

    metadata: dict[str, Any]
    priority: str  # interactive or bulk
    is_confidential: bool
    callback_url: str
    review: bool  # a person looks at it, whatever the verdict


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


class ReviewState(TypedDict):
    """How far the review of a detection is; `outcome` is null until reviewers have said one."""

    status: str
    outcome: str | None
    decided_at: str | None
    reasons: list[str]


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
    review: NotRequired[ReviewState | None]
    metadata: dict[str, Any]


class BatchItem(TypedDict):
    """One image of a batch, in the order sent: a detection, or the problem it was refused with."""

    position: int | None  # null in old batches that are read again
    file_name: str | None  # null of a refused file in a batch that is read again
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
    results: NotRequired[list[BatchItem] | None]  # null where counts alone were asked for
    links: dict[str, str]


class Feedback(TypedDict):
    id: NotRequired[str | int]
    label: str
    category: str
    comment: str


class Decision(TypedDict):
    """What one reviewer holds an image to be."""

    id: str
    item: str
    by: str
    is_mine: bool
    outcome: str
    reason: str
    note: str
    is_blind: bool
    created_at: str


class Claim(TypedDict):
    is_mine: bool
    until: str


class Review(TypedDict):
    """One item of the review desk; `status` is open, closed or withdrawn."""

    id: str
    detection: str
    status: str
    reasons: list[str]
    urgency: int
    is_escalated: bool
    created_at: str
    closed_at: str | None
    outcome: str | None
    claim: Claim | None
    previous: str | None
    claims: list[dict[str, Any]]
    escalations: list[dict[str, Any]]
    decisions: list[Decision]
    links: dict[str, str]
