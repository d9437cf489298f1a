"""Words for what files say about themselves."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from detection.file_marks import EDITED, GENERATED, IN_PART

Labels = dict[tuple[str, str], Promise]

CAMERA = _("Camera")
EDITING = _("Software and editing")
DATES = _("Dates")
RIGHTS = _("Rights and author")

_MAKER, _MODEL, _LENS = _("Maker"), pgettext_lazy("of a camera", "Model"), _("Lens")
_SERIAL, _LENS_SERIAL, _SOFTWARE = _("Serial number"), _("Lens serial number"), _("Software")
CAMERA_FIELDS: Labels = {
    ("exif", "Make"): _MAKER,
    ("xmp", "tiff:Make"): _MAKER,
    ("exif", "Model"): _MODEL,
    ("xmp", "tiff:Model"): _MODEL,
    ("exif", "LensMake"): _("Lens maker"),
    ("exif", "LensModel"): _LENS,
    ("xmp", "aux:Lens"): _LENS,
    ("exif", "BodySerialNumber"): _SERIAL,
    ("xmp", "aux:SerialNumber"): _SERIAL,
    ("exif", "LensSerialNumber"): _LENS_SERIAL,
    ("exif", "ExposureTime"): _("Exposure, seconds"),
    ("exif", "FNumber"): _("Aperture, f-number"),
    ("exif", "ISOSpeedRatings"): _("Sensitivity, ISO"),
    ("exif", "FocalLength"): _("Focal length, mm"),
}
EDITING_FIELDS: Labels = {
    ("exif", "Software"): _SOFTWARE,
    ("exif", "ProcessingSoftware"): _SOFTWARE,
    ("xmp", "xmp:CreatorTool"): _SOFTWARE,
    ("xmp", "tiff:Software"): _SOFTWARE,
    ("iptc", "OriginatingProgram"): _SOFTWARE,
    ("iptc", "ProgramVersion"): _("Its version"),
    ("text", "Software"): _SOFTWARE,
    ("exif", "HostComputer"): _("Computer"),
    ("xmp", "photoshop:History"): _("Editing history"),
}
_AUTHOR, _RIGHTS, _CREDIT, _SOURCE = _("Author"), _("Rights"), _("Credit"), _("Source")
RIGHTS_FIELDS: Labels = {
    ("exif", "Artist"): _AUTHOR,
    ("xmp", "dc:creator"): _AUTHOR,
    ("iptc", "Byline"): _AUTHOR,
    ("exif", "CameraOwnerName"): _("Camera's owner"),
    ("exif", "Copyright"): _RIGHTS,
    ("xmp", "dc:rights"): _RIGHTS,
    ("iptc", "CopyrightNotice"): _RIGHTS,
    ("xmp", "xmpRights:UsageTerms"): _("Terms of use"),
    ("xmp", "xmpRights:WebStatement"): _("Rights on the web"),
    ("xmp", "photoshop:Credit"): _CREDIT,
    ("iptc", "Credit"): _CREDIT,
    ("xmp", "photoshop:Source"): _SOURCE,
    ("iptc", "Source"): _SOURCE,
    ("iptc", "Contact"): _("Contact"),
}
_TAKEN, _DIGITIZED, _CHANGED = _("Taken"), _("Digitised"), _("File changed")
DATE_LABELS: Labels = {
    ("exif", "DateTimeOriginal"): _TAKEN,
    ("exif", "DateTimeDigitized"): _DIGITIZED,
    ("exif", "GPSDateTime"): _("Time from satellites"),
    ("xmp", "exif:DateTimeOriginal"): _TAKEN,
    ("xmp", "photoshop:DateCreated"): _TAKEN,
    ("xmp", "xmp:CreateDate"): _("Created"),
    ("iptc", "DateCreated"): _TAKEN,
    ("iptc", "DigitalCreationDate"): _DIGITIZED,
    ("exif", "DateTime"): _CHANGED,
    ("xmp", "xmp:ModifyDate"): _CHANGED,
    ("xmp", "xmp:MetadataDate"): _("Metadata changed"),
}

MARK_SENTENCES = {
    GENERATED: _("The file itself says it was generated: %(what)s (%(where)s)."),
    IN_PART: _("The file itself says that parts of it were generated: %(what)s (%(where)s)."),
    EDITED: _(
        "The file itself says it was edited with a program that generates: %(what)s (%(where)s)."
    ),
}
MARK_FLAGS: dict[str, Promise] = {
    GENERATED: _("The file says it was generated"),
    IN_PART: _("The file says that parts of it were generated"),
    EDITED: _("The file says it was edited with a program that generates"),
}
CONTRADICTIONS = {
    "taken_apart": _("The dates disagree: %(date)s against %(other)s."),
    "changed_before": _(
        "The dates disagree: the file was last changed before it was taken: %(date)s against "
        "%(other)s."
    ),
    "in_future": _("A date lies after this desk received the file: %(date)s."),
}
XMP_PROBLEMS = {
    "damaged": _("The XMP packet is damaged; what could be read of it is shown."),
    "entities": _(
        "The XMP packet declares entities, which no camera or editor writes; it was not read."
    ),
    "too_large": _("The XMP packet is larger than this desk reads; the rest was left out."),
}
THUMBNAIL = {
    "": _("The file embeds a thumbnail, and it shows the same picture."),
    "shape": _(
        "The file embeds a thumbnail of another shape than the picture: the picture may have been "
        "cropped or replaced after the thumbnail was made."
    ),
    "picture": _(
        "The file embeds a thumbnail that shows something else than the picture: the picture may "
        "have been changed after the thumbnail was made."
    ),
}
TABLES = {
    "standard": _(
        "quality %(quality)s of 100, by the standard tables that most programs use when they save"
    ),
    "other": _(
        "about quality %(quality)s of 100, by tables of its own, as cameras and some editors have"
    ),
}
TRAILING = {
    "zip": _("a ZIP archive, or a document that is one inside"),
    "jpeg": _("another JPEG, as some cameras and telephones add"),
    "png": _("a PNG image"),
    "gif": _("a GIF image"),
    "riff": _("a RIFF file, such as WebP, sound or video"),
    "video": _("a video, as telephones add to a “motion photo”"),
    "pdf": _("a PDF document"),
    "rar": _("a RAR archive"),
    "7z": _("a 7z archive"),
    "gzip": _("gzip-compressed data"),
    "program": _("a program"),
    "markup": _("text in HTML or XML"),
    "zeros": _("nothing but zero bytes"),
    "other": _("bytes of no kind that this desk knows"),
}
# state: tone (grey where there is nothing to hold against it), title, sentence
CREDENTIALS: dict[str, tuple[str, Promise, Promise]] = {
    "trusted": (
        "authentic",
        _("Content credentials: valid"),
        _(
            "Signed by %(signer)s, whose certificate this desk knows. The picture was not changed "
            "since. That says where the file comes from, not that what it shows is true."
        ),
    ),
    "valid": (
        "inconclusive",
        _("Content credentials: valid, from a signer this desk does not know"),
        _(
            "Signed by %(signer)s, whose certificate this desk does not know: anybody can sign "
            "under any name. The picture was not changed since."
        ),
    ),
    "invalid": (
        "manipulated",
        _("Content credentials: they do not hold"),
        _("Signed in the name of %(signer)s, but the check failed."),
    ),
    "unreadable": (
        "inconclusive",
        _("Content credentials: could not be read"),
        _("The file carries content credentials (C2PA) that this desk could not read."),
    ),
    "elsewhere": (
        "inconclusive",
        _("Content credentials: kept elsewhere"),
        _(
            "The file names credentials that are kept at another address. This desk fetches "
            "nothing from there, so they were not read."
        ),
    ),
    "none": (
        "failed",
        _("Content credentials: none"),
        _(
            "The file carries no content credentials (C2PA). Most files have none: it counts "
            "neither for nor against the picture."
        ),
    ),
}
REVOCATION = _(
    "Whether the certificate was withdrawn was not asked: this desk makes no such calls."
)
_CHANGED_AFTER = _("The picture was changed after it was signed.")
_STATEMENT = _("A statement in the credentials was changed after it was signed.")
_RAN_OUT = _("The certificate had run out, and no time stamp shows that it was signed before.")
CREDENTIAL_FAILURES = {
    "assertion.dataHash.mismatch": _CHANGED_AFTER,
    "assertion.bmffHash.mismatch": _CHANGED_AFTER,
    "assertion.boxesHash.mismatch": _CHANGED_AFTER,
    "assertion.hashedURI.mismatch": _STATEMENT,
    "assertion.missing": _("A statement that was signed is missing."),
    "claimSignature.mismatch": _("The signature does not fit what it signs."),
    "claimSignature.missing": _("There is no signature."),
    "claimSignature.outsideValidity": _RAN_OUT,
    "signingCredential.expired": _RAN_OUT,
    "signingCredential.revoked": _("The certificate was withdrawn."),
    "signingCredential.invalid": _("The certificate is not fit for signing credentials."),
    "ingredient.hashedURI.mismatch": _("A file that it was made from is not the one named."),
}

ACTIONS = {
    "c2pa.created": _("created"),
    "c2pa.opened": _("opened"),
    "c2pa.edited": _("edited"),
    "c2pa.color_adjustments": _("colours adjusted"),
    "c2pa.cropped": _("cropped"),
    "c2pa.resized": _("resized"),
    "c2pa.drawing": _("drawn on"),
    "c2pa.filtered": _("filtered"),
    "c2pa.placed": _("something placed into it"),
    "c2pa.removed": _("something removed"),
    "c2pa.converted": _("converted"),
    "c2pa.published": _("published"),
}
