"""What can go wrong in ml, as exceptions with stable codes."""


class MLError(Exception):
    """Base of every expected failure: `code` is stable, `detail` is for people."""

    CODES: frozenset[str] = frozenset({"ml_error"})

    def __init__(self, code: str = "ml_error", detail: str = "") -> None:
        if code not in self.CODES:
            raise ValueError(f"unknown code {code!r}; known: {', '.join(sorted(self.CODES))}")
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code


class UnreadableImage(MLError):  # noqa: N818 - it names what the image is
    """The bytes are not an image that can be judged."""

    CODES = frozenset(
        {
            "empty_file",
            "unsupported_format",
            "too_many_pixels",
            "truncated",
            "corrupt",
            "decoder_crashed",
            "decoder_timeout",
            "decoder_memory",
        }
    )


class DecoderUnavailable(MLError):  # noqa: N818
    """The decoder cannot be trusted to start: a library too old, or a child that never answered."""

    CODES = frozenset({"library_too_old", "decoder_not_started"})


class ArtifactError(MLError):
    """An artifact that must not be loaded, or not be judged with."""

    CODES = frozenset(
        {"artifact_unregistered", "artifact_invalid", "artifact_missing", "scores_moved"}
    )


class DatasetError(MLError):
    """A data set that cannot be trained on; `files` names the rows that are wrong."""

    CODES = frozenset({"dataset_invalid"})

    def __init__(self, detail: str, files: tuple[str, ...] = ()) -> None:
        super().__init__("dataset_invalid", detail)
        self.files = files

    def __str__(self) -> str:
        return "\n  ".join((super().__str__(), *self.files))


class RunError(MLError):
    """A training run that cannot be continued or exported as it is."""

    CODES = frozenset(
        {
            "run_missing",
            "run_mismatch",
            "run_unfinished",
            "run_busy",
            "not_exportable",
            "parity_failed",
            "not_here",
            "too_few_images",
        }
    )
