"""Content credentials (C2PA) of a file, read and validated in a limited process of their own.

Of their own, because it loads another library, and because a crash there shall not cost a verdict.
"""

from pathlib import Path
from typing import Any, ClassVar

from ml.decoder.facts import DecoderLimits
from ml.decoder.process import Decoder, message_of

LIMITS = DecoderLimits(
    memory_bytes=1024 << 20, cpu_s=4, wall_s=5.0, output_bytes=1 << 20, open_files=16
)


class CredentialReader(Decoder):
    """As a Decoder; its child starts with the first file that has credentials."""

    floors: ClassVar[dict[str, str]] = {"c2pa": "0.38.1"}

    def __init__(
        self, limits: DecoderLimits = LIMITS, *, module: str = "ml.decoder.credentials_child"
    ) -> None:
        super().__init__(limits, module=module)

    def read(self, path: Path, *, anchors: str = "") -> dict[str, Any]:
        """What the credentials say, and whether they hold; nothing is fetched from anywhere.

        Args:
            anchors: certificates (PEM) whose signers are known; without any, nobody is.
        Returns:
            `state` (trusted, valid, invalid, unreadable or none) and, where they could be read,
            `failures`, `signer`, `signer_name`, `time`, `generator`, `title`, `actions`,
            `ingredients`, `source_types` and `ingredient_source_types`; bounded, from the file.
        Raises:
            UnreadableImage: the reader crashed, or needed more than allowed.
            DecoderUnavailable: the child cannot start.
            OSError: the path cannot be opened.
        """
        with self._answered(path, {"anchors": anchors}) as output:
            return message_of(output)
