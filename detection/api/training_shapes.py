"""The shapes of training runs, as JSON Schema."""

from detection import trainable
from detection.api.shapes import (
    ANYTHING,
    MOMENT,
    MOMENT_OR_NULL,
    NO_NUL,
    SHA256,
    UUID,
    Shape,
    a,
    an_object,
    each,
    or_null,
    ref,
)
from detection.models import TrainingRun

CONFIGS = [one.config for one in trainable.offers()]
NEW_TRAINING_RUN: Shape = {
    "type": "object",
    "properties": {
        "config": a("string", "Which network.", enum=CONFIGS),
        "start": a("string", "`active` unless said.", enum=TrainingRun.Start.values),
        "snapshot": {**UUID, "description": "A frozen list of images."},
        "datasets": each(UUID, "To freeze a snapshot of, where none is named.", minItems=1),
        "epochs": a("integer", "As many as the network usually takes, unless said.", minimum=1),
        "seed": a("integer", minimum=0, maximum=2**31 - 1),
        "note": a("string", maxLength=500, pattern=NO_NUL),
    },
    "required": ["config"],
    "additionalProperties": False,
}
TRAINING_RUN = an_object(
    {
        "id": UUID,
        "status": a("string", enum=TrainingRun.Status.values),
        "config": a("string"),
        "snapshot": an_object({"id": UUID, "sha256": SHA256, "is_whole": a("boolean")}),
        "epochs": a("integer"),
        "start": a("string", enum=TrainingRun.Start.values),
        "started_from": or_null(SHA256),
        "seed": a("integer"),
        "via": a("string", enum=TrainingRun.Via.values),
        "note": a("string"),
        "stage": a("string", "What it does now, such as `epoch 2/3`."),
        "done": a("integer", "Steps of the stage."),
        "total": a("integer"),
        "expected_end_at": {**MOMENT_OR_NULL, "description": "Of its epochs."},
        "history": each(ANYTHING, "After each epoch: loss, accuracy, val_loss, val_accuracy."),
        "failure": or_null(an_object({"code": a("string"), "detail": a("string")})),
        "candidate": or_null(
            an_object({"name": a("string"), "version": a("string"), "artifact_sha256": SHA256})
        ),
        "created_at": MOMENT,
        "started_at": MOMENT_OR_NULL,
        "cancel_asked_at": MOMENT_OR_NULL,
        "completed_at": MOMENT_OR_NULL,
    },
    "It ends in a candidate, which judges nothing until a person puts it into service.",
)
SCHEMAS: dict[str, Shape] = {
    "TrainingRun": TRAINING_RUN,
    "TrainingRunPage": an_object(
        {
            "results": each(ref("TrainingRun")),
            "next": a("string?", "The cursor of the next page."),
        }
    ),
}
