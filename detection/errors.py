"""What the desk refuses, as one exception with a stable code."""

from detection import words


class NothingKept(Exception):  # noqa: N818 (it names what happened to the request)
    """A request that ends without having changed anything."""


class Refused(NothingKept):
    """A request that is not accepted."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.status, sentence = words.REFUSALS[code]
        self.detail = f"{sentence} ({detail})" if detail else str(sentence)
        super().__init__(self.detail)


class StorageAway(Refused):
    """The bucket that holds the originals does not answer, or refuses us."""

    def __init__(self) -> None:
        super().__init__("storage_away")
