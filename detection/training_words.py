"""What training says of itself, in words for people."""

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# What is refused before anything starts.
REFUSALS: dict[str, tuple[int, str | Promise]] = {
    "already_training": (
        409,
        _("One training runs at a time, and one is under way. Wait for it, or call it off."),
    ),
    "network_not_offered": (422, _("This desk does not offer to train that network.")),
    "too_many_epochs": (422, _("That many epochs are not offered for this network.")),
    "nothing_to_train_on": (422, _("Choose a snapshot, or data sets to freeze one from.")),
    "snapshot_broken": (
        409,
        _(
            "An image of this snapshot was withdrawn or erased, so nothing may be trained on it. "
            "Freeze a new one."
        ),
    ),
    "too_few_to_validate": (
        422,
        _(
            "There are too few images to learn from, or to state how often the model would "
            "be wrong. Add labelled images, then freeze a new snapshot."
        ),
    ),
    "no_source_with_both": (
        422,
        _(
            "This network learns from pairs, and no source has both real and manipulated "
            "training images."
        ),
    ),
    "other_network": (
        422,
        _(
            "The active model is another network, so this one cannot go on from it. Choose its "
            "network, or start from scratch."
        ),
    ),
    "no_start_weights": (
        422,
        _(
            "The active model came without the weights that training goes on from. Start from "
            "scratch."
        ),
    ),
    "no_room_to_train": (
        507,
        _("The disk has too little room for the prepared images. Nothing was started."),
    ),
    "training_ended": (409, _("This training has ended.")),
    "training_registers": (
        409,
        _("This training is just being registered, so it can no longer be called off."),
    ),
}

# Why a run failed; codes of `ml.errors` among them.
FAILURES: dict[str, str | Promise] = {
    "snapshot_broken": _(
        "An image of its snapshot was withdrawn or erased while it ran. What it had learnt was "
        "thrown away."
    ),
    "no_room_to_train": _("The disk had too little room left. Make room, then start it again."),
    "no_start_weights": _("The weights that it should have gone on from are not on this desk."),
    "dataset_invalid": _(
        "A labelled image is missing or not the one that was frozen: see the log."
    ),
    "too_few_images": _(
        "There were too few images to learn from, or to state how often the model is wrong."
    ),
    "run_mismatch": _("Its data or its settings changed while it ran: see the log."),
    "run_missing": _("Its files were lost while it ran. Start it again."),
    "run_unfinished": _("Its files were lost while it ran. Start it again."),
    "not_exportable": _("What this network learns from leaves no honest test: see the log."),
    "parity_failed": _(
        "The exported model gave other scores than the trained one, so it was thrown away."
    ),
    "not_here": _("This machine lacks what this way of training needs: see the log."),
    "artifact_invalid": _("The exported model could not be registered: see the log."),
    "version_taken": _("Another model has the name and version that this one would have got."),
    "training_crashed": _("The training program stopped with an error: see the log."),
    "attempts_exhausted": _(
        "It was interrupted too often: the machine may have too little memory."
    ),
}

STAGES: dict[str, str | Promise] = {
    "": _("waits for the trainer"),
    "starting": _("starts"),
    "reading": _("reads the list of images"),
    "training images": _("prepares the training images"),
    "validation images": _("prepares the validation images"),
    "parity images": _("compares the exported model with the trained one"),
    "re-saved reals": _("judges real images saved again"),
    "test": _("judges the test images"),
    "copies": _("judges altered copies of test images"),
    "val": _("judges the validation images"),
    "registering": _("registers the model"),
}


STATUSES: dict[str, str | Promise] = {
    "queued": _("Waits for the trainer"),
    "running": _("Under way"),
    "done": _("Ended in a candidate"),
    "failed": _("Failed"),
    "cancelled": _("Called off"),
}


def status_words(status: str) -> str:
    """How a run stands."""
    return str(STATUSES.get(status, status))


def stage_words(stage: str) -> str:
    """What a run does now."""
    if stage.startswith("epoch "):
        number, _slash, of = stage.removeprefix("epoch ").partition("/")
        return gettext("learns, epoch %(number)s of %(of)s") % {"number": number, "of": of}
    return str(STAGES.get(stage, stage))


def failure_words(code: str) -> str:
    """Why a run failed."""
    return str(FAILURES.get(code, FAILURES["training_crashed"]))
