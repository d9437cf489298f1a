"""What codes mean, in sentences for people: one place, so that page and API say the same."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from detection import training_words
from detection.registry_words import REFUSALS as REGISTRY_REFUSALS

ACCEPTED = _("Accepted are JPEG, PNG, WebP, GIF, HEIC and AVIF photographs.")

REFUSALS: dict[str, tuple[int, str | Promise]] = {
    **REGISTRY_REFUSALS,
    **training_words.REFUSALS,
    "no_file": (400, _("No photograph was chosen. Choose at least one file.")),
    "one_file_only": (400, _("Search with one image at a time.")),
    "too_many_searches": (
        429,
        _("That were many searches within a minute. Wait a minute, then search again."),
    ),
    "not_decoded": (
        422,
        _("This image cannot be decoded, so there is nothing to compare. Nothing was kept."),
    ),
    "decoder_away": (
        503,
        _("The decoder of this desk could not start, so nothing was compared. Tell your operator."),
    ),
    "empty_file": (400, _("The file is empty: it has no bytes.")),
    "too_large": (413, _("The file is larger than this desk accepts.")),
    "unsupported_format": (
        415,
        _(
            "This is not a photograph this desk can read. "
            "Accepted are JPEG, PNG, WebP, GIF, HEIC and AVIF."
        ),
    ),
    "corrupt": (415, _("The beginning of the file is damaged: no size can be read from it.")),
    "too_many_pixels": (422, _("The image has more pixels than this desk accepts.")),
    "fetching_off": (422, _("This desk fetches no images by their address. Send the file.")),
    "fetching_busy": (
        503,
        _("The desk is fetching other images at this moment. Try again in a few seconds."),
    ),
    "fetch_refused": (
        422,
        _(
            "No image could be fetched from this address. It must be public and answer "
            "with the file itself within a few seconds."
        ),
    ),
    "on_hold": (
        409,
        _("This image is on legal hold: it cannot be erased until a moderator lifts the hold."),
    ),
    "held_stays_visible": (
        409,
        _("This image is on legal hold: it stays visible to moderators until they lift the hold."),
    ),
    "alert_attended": (
        409,
        _("Somebody looks after this already, or it has passed."),
    ),
    "shadow_is_active": (
        409,
        _("This model judges already; only another one can judge silently beside it."),
    ),
    "shadow_taken": (
        409,
        _("Another model judges silently in this moment. End that first."),
    ),
    "shadow_not_running": (409, _("This model does not judge silently now.")),
    "key_reused": (
        422,
        _("This Idempotency-Key came with another request before. Use a new one."),
    ),
    "bad_idempotency_key": (400, _("An Idempotency-Key has 1 to 255 printable ASCII characters.")),
    "no_verdict_yet": (409, _("There is no verdict yet that feedback could be about.")),
    "too_many_claims": (
        429,
        _("You said something about many verdicts just now. Try again in a minute."),
    ),
    "confidential_not_learnt": (
        409,
        _("This image is confidential, and confidential images are never learnt from."),
    ),
    "cursor_of_other_order": (
        422,
        _("This cursor belongs to another order. Begin again without one."),
    ),
    "search_too_slow": (
        503,
        _(
            "This search takes longer than this desk allows one search, so it was stopped. "
            "Add a date or a verdict, or use a rarer word."
        ),
    ),
    "no_tag": (422, _("A tag needs at least one letter, digit or sign.")),
    "not_yours": (403, _("Only its owner does this with an image.")),
    "filter_without_name": (422, _("Give the filter a name.")),
    "filter_name_taken": (409, _("Another of your filters has this name.")),
    "filter_too_long": (422, _("This search is too long to be kept.")),
    "too_many_filters": (
        409,
        _("You keep as many filters as one person may. Delete one that is not needed."),
    ),
    "too_many_tags": (409, _("This image has as many tags as one may have.")),
    "erased_meanwhile": (409, _("This image was being erased in this moment. Submit it again.")),
    "no_parts_yet": (
        409,
        _("Parts of an image can be judged once the whole image has its verdict."),
    ),
    "region_outside": (422, _("This part does not lie within the picture.")),
    "region_too_small": (422, _("This part is too small to be judged.")),
    "region_is_whole": (422, _("This is the whole picture, which has its verdict already.")),
    "too_many_regions": (
        409,
        _("Of this image 20 parts were judged, as many as this desk judges of one image."),
    ),
    "too_many_regions_at_once": (
        429,
        _("You had 60 parts of images judged within an hour. Go on later."),
    ),
    "too_many_uploads": (
        429,
        _("Too many of your uploads are open. Finish or end one of them, then begin another."),
    ),
    "wrong_offset": (
        409,
        _("These bytes do not follow those that came. Ask how many came and go on from there."),
    ),
    "longer_than_announced": (413, _("More bytes were sent than were announced.")),
    "upload_gone": (410, _("This upload has ended or its time is over. Begin another.")),
    "upload_locked": (
        423,
        _("Another request is still writing this upload. Try again in a moment."),
    ),
    "checksum_mismatch": (
        460,
        _("The bytes arrived changed, so they were not kept. Send them again."),
    ),
    "tus_version": (412, _("Only version 1.0.0 of the tus protocol is spoken here.")),
    "disk_full": (
        507,
        _("The storage of this desk is full. Nothing was kept; tell your operator."),
    ),
    "storage_away": (
        503,
        _("The storage of this desk does not answer. Nothing was kept; try again in a moment."),
    ),
    "no_active_model": (
        503,
        _(
            "No model is active on this desk yet, so nothing can be judged. "
            "Tell your administrator."
        ),
    ),
    "bad_tags": (422, _("These tags cannot be kept.")),
    "case_unavailable": (
        422,
        _("There is no open case with this number that you may add images to."),
    ),
    "case_gone": (404, _("You do not belong to this case any more.")),
    "case_closed": (409, _("This case is closed. Its owner can open it again.")),
    "case_not_yours_to_change": (
        403,
        _("You may read this case. Ask its owner to let you work on it."),
    ),
    "case_owner_only": (403, _("Only the owner of this case does that.")),
    "case_changed_meanwhile": (
        409,
        _(
            "Somebody saved a newer version while you were writing, so yours was not saved. "
            "Compare the two and save again."
        ),
    ),
    "note_removed": (409, _("This note was removed.")),
    "note_not_yours": (403, _("Only who wrote a note changes it.")),
    "not_yours_to_share": (
        403,
        _(
            "You may put into a case what is yours, and as a moderator what is not confidential. "
            "What you see through another case its owner adds."
        ),
    ),
    "confidential_unconfirmed": (
        409,
        _(
            "This would show confidential images to more people. Confirm that it should, "
            "or leave them out."
        ),
    ),
    "person_unknown": (
        422,
        _(
            "Nobody was added. Give the whole e-mail address of somebody who works here, "
            "or the name of somebody you already share a case with."
        ),
    ),
    "too_many_guesses": (
        429,
        _("Too many addresses were tried. Try again in an hour."),
    ),
    "person_not_in_case": (404, _("This person does not belong to the case.")),
    "too_many_in_case": (
        422,
        _("So many images cannot be added at once. Add them in smaller parts."),
    ),
    "no_verdict_to_report": (409, _("There is no verdict yet that a report could state.")),
    "decide_before_reporting": (
        409,
        _(
            "Reviewers decided about this image, and you may still decide as well. The report says "
            "what they decided: decide first, or wait until somebody has."
        ),
    ),
    "too_many_reports": (429, _("You have made many reports just now. Try again in a minute.")),
    "report_removed": (410, _("The files of this report were removed.")),
    "report_revoked": (409, _("This report was revoked, so it cannot be shared.")),
    "confidential_report": (
        409,
        _("This image is confidential: only its owner may share reports about it."),
    ),
    "too_many_webhooks": (
        409,
        _("You have as many webhook endpoints as one person may. Delete one that is not needed."),
    ),
    "webhook_deleted": (404, _("This webhook endpoint was deleted.")),
    "webhook_disabled": (
        409,
        _("This webhook endpoint is switched off. Switch it on before sending to it."),
    ),
    "no_verdict_to_review": (409, _("There is no verdict yet that a person could look at.")),
    "confidential_not_reviewed": (
        409,
        _("This image is confidential, so nobody reviews it. Its owner can change that."),
    ),
    "review_not_open": (409, _("This item is not open any more: others have decided it.")),
    "review_not_closed": (409, _("Only what was decided can be looked at again.")),
    "review_claimed": (409, _("Somebody else holds this item now.")),
    "review_wants_a_look": (
        409,
        _("Somebody waits for its outcome: open this item and look at it before you decide."),
    ),
    "review_not_claimed": (409, _("Claim this item before you decide it.")),
    "own_review": (
        403,
        _("Nobody reviews their own image, their own claim or a truth that they gave themselves."),
    ),
    "decided_already": (409, _("You have decided this item. Another person says what they think.")),
    "too_many_held": (
        409,
        _("You hold 20 items, as many as one person may. Decide some of them or give them back."),
    ),
    "decision_not_standing": (409, _("This decision does not count any more.")),
    "decision_not_yours": (
        403,
        _("Only who decided takes a decision back, or an administrator."),
    ),
    "undone_too_late": (
        409,
        _(
            "A decision can be taken back for 15 minutes. "
            "Open the review again instead, and say why."
        ),
    ),
    "reviewed_since": (
        409,
        _("This image has come to the review desk again since. Decide it there."),
    ),
    "golden_unfit": (
        422,
        _("Only an image with a verdict that is not confidential can be a golden one."),
    ),
    "golden_already": (409, _("This image is a golden one already.")),
    "no_archive": (400, _("No ZIP file was chosen.")),
    "dataset_name_taken": (409, _("Another dataset has this name.")),
    "dataset_fills_itself": (
        409,
        _("This dataset is filled by reviews alone, so nothing can be imported into it."),
    ),
    "import_folder_off": (
        422,
        _("This desk imports nothing from folders of its server. Upload a ZIP file."),
    ),
    "import_path_outside": (
        422,
        _("There is no such folder or manifest below the folder that this desk imports from."),
    ),
    "import_path_gone": (422, _("There is no such folder, manifest or archive any more.")),
    "import_empty": (422, _("There is no file in it that is meant as data.")),
    "import_too_many_files": (
        422,
        _("That are more files than one import takes. Import them in parts."),
    ),
    "manifest_unreadable": (422, _("The manifest cannot be read.")),
    "archive_damaged": (422, _("This is no ZIP file, or it is damaged.")),
    "archive_hostile": (
        422,
        _("The archive names a place outside itself, holds a link, or one name twice."),
    ),
    "archive_locked": (
        422,
        _("The archive is protected by a password or packed in a way this desk does not read."),
    ),
    "archive_nested": (422, _("The archive holds another archive. Unpack that one first.")),
    "archive_bomb": (
        422,
        _("The archive would unpack to far more than photographs in it could be."),
    ),
    "nothing_to_freeze": (409, _("There are no labelled images in these datasets to freeze.")),
    "near_in_two_splits": (
        409,
        _("Pictures that are near copies of each other lie in two splits, so nothing was frozen."),
    ),
    "snapshot_broken": (
        409,
        _("An image of this snapshot was removed, so nothing may be trained on it any more."),
    ),
    "not_resendable": (
        409,
        _("Only what failed or was cancelled can be sent again, and nothing that was erased."),
    ),
}

# What kept a webhook from getting an answer.
DELIVERY_ERRORS: dict[str, str | Promise] = {
    "address_refused": _("The address leads to where this desk does not connect."),
    "not_connected": _("No connection: the name, the port or the certificate was refused."),
    "connection_broken": _("The connection broke before an answer came."),
    "timeout": _("No answer came in time."),
    "interrupted": _("Sending was interrupted."),
    "secret_unreadable": _("The secret cannot be read any more. Rotate it."),
}

FAILURES: dict[str, str | Promise] = {
    "truncated": _("The file breaks off before the image is complete. The bytes were kept."),
    "corrupt": _("The file is damaged and cannot be decoded. The bytes were kept."),
    "empty_file": _("The file has no bytes."),
    "unsupported_format": _(
        "The content is not an image this desk can decode. The bytes were kept."
    ),
    "too_many_pixels": _(
        "Decoding showed more pixels than this desk accepts. The bytes were kept."
    ),
    "decoder_crashed": _("Decoding this file ended the decoder each time. The bytes were kept."),
    "decoder_timeout": _("Decoding took longer than allowed. The bytes were kept."),
    "decoder_memory": _("Decoding needed more memory than allowed. The bytes were kept."),
    "decoder_not_started": _("The decoder of this desk could not start. Tell your operator."),
    "library_too_old": _(
        "An image library of this desk is too old to be trusted, so nothing is decoded. "
        "Tell your operator."
    ),
    "attempts_exhausted": _(
        "The check was interrupted every time it was tried. The bytes were kept; try again."
    ),
    "erased": _("The image was erased before it was judged."),
    "original_missing": _("The stored original is gone or no longer matches its fingerprint."),
    "layer_too_small": _("The picture is too small for this to say anything."),
    "layer_timeout": _("Drawing this took longer than allowed. Try again when less is going on."),
    "artifact_unregistered": _(
        "The model's files do not match the registry, so they were not used."
    ),
    "artifact_invalid": _("The model's files are damaged, so they were not used."),
    "artifact_missing": _("The model's files are missing on this desk."),
    "scores_moved": _(
        "The model no longer gives the scores recorded for it, so nothing was judged. "
        "Tell your operator."
    ),
}

REASONS: dict[str, str | Promise] = {
    "too_small": _("The image is too small to carry reliable traces."),
    "heavy_compression": _("The image is compressed so heavily that traces are lost."),
    "no_face": _("This model judges faces, and none was found."),
    "out_of_domain": _("The image is unlike anything the model was measured on."),
    "unstable": _("The answer changes when the picture is merely re-saved or resized."),
    "faces_disagree": _("The faces in the picture point to different answers."),
    "transparency": _("Parts are transparent; the picture was judged on white."),
}
# What machines get where no reason speaks against deciding, and the number decides nothing.
BETWEEN_THRESHOLDS = "between_thresholds"
TOO_WEAK: str | Promise = _(
    "The signs are too weak either way to decide at the accuracy this desk promises."
)

# Mild alterations under which the answer should hold; the keys are those of `ml.stability`.
TRANSFORMS: dict[str, str | Promise] = {
    "jpeg_85": _("Saved again as JPEG, quality 85"),
    "webp_85": _("Saved again as WebP, quality 85"),
    "scale_75": _("Reduced to three quarters of its size"),
    "jpeg_60": _("Saved again as JPEG, quality 60"),
    "scale_65": _("Reduced to 65 % of its size"),
}

# Where the images come from that models were measured on; the keys are those of the datasets.
SOURCES: dict[str, str | Promise] = {
    "all": _("All kinds together"),
    "autoencoder": _("Real pictures passed through an autoencoder (not among all)"),
    "dfdc": _("Faces swapped in videos (DFDC)"),
    "gan_portraits": _("Portraits made by GANs"),
    "lfw_faceswap": _("Faces swapped in news photographs (LFW)"),
    "photographs": _("Ordinary photographs"),
    "photoshop": _("Retouched faces"),
    "stylegan_ffhq": _("Portraits made by StyleGAN (FFHQ)"),
    "text_to_image": _("Pictures made from a text"),
}

# What was done to the test images first; the keys are those of `ml.alterations`.
DAMAGES: dict[str, str | Promise] = {
    "clean": _("As they are"),
    "jpeg_50": _("Saved again as JPEG, quality 50"),
    "jpeg_70": _("Saved again as JPEG, quality 70"),
    "jpeg_90": _("Saved again as JPEG, quality 90"),
    "webp_50": _("Saved again as WebP, quality 50"),
    "webp_80": _("Saved again as WebP, quality 80"),
    "scale_50": _("Reduced to half of its size"),
    "scale_60": _("Reduced to 60 % of its size"),
    "scale_75": _("Reduced to three quarters of its size"),
    "screenshot": _("Taken again as a screenshot"),
}

# What the sidecars of the shipped models say of themselves, so that it can be said in Arabic.
MODEL_LIMITS = (
    _(
        "It learnt from a few kinds of generators, face swaps and retouching; on kinds it never"
        " saw it can be wrong without knowing it."
    ),
    _(
        "It sees the picture at 224 pixels a view: the whole and each face. Small retouches away"
        " from faces can be gone before it looks."
    ),
    _("Strong compression, small sizes and screenshots erase the traces it looks for."),
)

VERDICT_MEANINGS: dict[str, str | Promise] = {
    "likely_authentic": _("No signs of manipulation were found that this model can see."),
    "likely_manipulated": _("The model sees signs of generation or manipulation."),
    "inconclusive": _(
        "The model says so rather than guess. That is an answer too: treat the picture as"
        " unverified, neither as real nor as fake."
    ),
}

# What to do next, the most useful first.
NEXT_STEPS: dict[str, tuple[str | Promise, ...]] = {
    "likely_authentic": (
        _("Check the caption: a real picture of another place or year is still a false report."),
        _("Look for earlier copies with a reverse image search."),
        _("Ask the sender for the unedited file and for more frames of the same moment."),
    ),
    "likely_manipulated": (
        _("Look for the original: find the earliest copy with a reverse image search."),
        _("Ask the sender for the file as the camera wrote it, not a screenshot or forward."),
        _("Check where the picture was published first, and by whom."),
        _("Have a moderator look before you publish or accuse anybody."),
    ),
    "inconclusive": (
        _("Ask the sender for the file as the camera wrote it, and submit that one."),
        _("Look for a larger or earlier copy with a reverse image search."),
        _("Check by other means: place, weather, shadows, witnesses, first publication."),
        _("Have a moderator look, and say “unverified” if you must publish."),
    ),
}

NOT_JUDGED = _("Could not be judged")

# Codes that say something about the moment, not about the file: trying again makes sense.
TRANSIENT_FAILURES = frozenset(
    {
        "attempts_exhausted",
        "layer_timeout",
        "decoder_crashed",
        "decoder_timeout",
        "decoder_memory",
        "decoder_not_started",
        "library_too_old",
        "artifact_unregistered",
        "artifact_invalid",
        "artifact_missing",
        "scores_moved",
    }
)


def failure_sentence(code: str) -> str:
    return str(FAILURES.get(code, code))


def reason_sentence(code: str) -> str:
    return str(TOO_WEAK if code == BETWEEN_THRESHOLDS else REASONS.get(code, code))


def delivery_error_sentence(code: str) -> str:
    return str(DELIVERY_ERRORS.get(code, code))
