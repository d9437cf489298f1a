"""Alterations of training images, the same draw for reals and fakes."""

from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from ml.preprocess import FILTERS


@dataclass(frozen=True)
class Augmentation:
    """What happens to a preprocessed image each time an epoch shows it.

    Attributes:
        rotation_deg: largest rotation to either side; half of the images are rotated.
        flip: mirror half of the images.
        brightness: largest relative change of brightness to either side.
    """

    rotation_deg: float = 10.0
    flip: bool = True
    brightness: float = 0.2

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self, resized: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One image (size, size, 3) uint8 to another of the same shape."""
        image = Image.fromarray(resized)
        if self.flip and generator.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.rotation_deg and generator.random() < 0.5:
            angle = generator.uniform(-self.rotation_deg, self.rotation_deg)
            image = image.rotate(angle, Image.Resampling.BILINEAR)
        factor = 1 + generator.uniform(-self.brightness, self.brightness)
        return np.clip(np.asarray(image) * np.float32(factor) + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Degradation:
    """What happens to a decoded image before it is preprocessed, in each of several copies.

    Sources give away their class by aspect ratio and by how they were saved: in one source every
    fake is square and a third of the reals are not. So both classes are cut to the same spread
    of aspect ratios, scaled and saved again alike.

    Attributes:
        min_crop: smallest share of the longest possible side that a cut keeps.
        max_aspect: widest width over height of a cut; its inverse is the narrowest.
        min_scale, max_scale: factors of size, drawn for half of the copies.
        min_quality: lowest JPEG or WebP quality, drawn for two copies of three.
    """

    min_crop: float = 0.8
    max_aspect: float = 1.5
    min_scale: float = 0.5
    max_scale: float = 1.2
    min_quality: int = 40

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self, pixels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One decoded picture (h, w, 3) uint8 to another of any size."""
        image = self._cut(Image.fromarray(pixels), generator)
        if generator.random() < 0.5:
            image = self._scale(image, generator)
        if generator.random() < 2 / 3:
            image = self._save(image, generator)
        return np.asarray(image)

    def _cut(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        limit = np.log(self.max_aspect)
        aspect = float(np.exp(generator.uniform(-limit, limit)))
        keep = generator.uniform(self.min_crop, 1)
        width = max(1, int(min(image.width, image.height * aspect) * keep))
        height = max(1, int(min(image.height, image.width / aspect) * keep))
        left = int(generator.integers(0, image.width - width + 1))
        top = int(generator.integers(0, image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    def _scale(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        factor = generator.uniform(self.min_scale, self.max_scale)
        name = list(FILTERS)[int(generator.integers(len(FILTERS)))]
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(size, FILTERS[name])

    def _save(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        image_format = "JPEG" if generator.random() < 0.75 else "WEBP"
        quality = int(generator.integers(self.min_quality, 101))
        buffer = BytesIO()
        image.save(
            buffer,
            image_format,
            quality=quality,
            **({"method": 0} if image_format == "WEBP" else {}),
        )
        return Image.open(buffer, formats=[image_format]).convert("RGB")
