"""What happens to pictures on their way to a newsroom, drawn at random, alike for both classes."""

from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from ml.preprocess import FILTERS


@dataclass(frozen=True)
class Damage:
    """Shares of pictures that meet each kind of damage, and how hard it hits.

    Attributes:
        tone_share: brightness, contrast, saturation and gamma moved by up to `tone`.
        blur_share: Gaussian blur of up to `max_blur_px`.
        noise_share: Gaussian noise of up to `max_noise` of 255.
        screenshot_share: shown larger, gamma moved, taken back at about the old size.
        save_share: saved again, up to `max_saves` times, JPEG or (`webp_share`) WebP.
        min_quality: lowest quality of a save.
    """

    tone_share: float = 0.3
    tone: float = 0.25
    blur_share: float = 0.12
    max_blur_px: float = 2.0
    noise_share: float = 0.12
    max_noise: float = 12.0
    screenshot_share: float = 0.06
    save_share: float = 0.7
    max_saves: int = 3
    webp_share: float = 0.2
    min_quality: int = 30

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """A damaged picture of the same size."""
        if generator.random() < self.tone_share:
            image = self._tone(image, generator)
        if generator.random() < self.blur_share:
            radius = generator.uniform(0.2, self.max_blur_px)
            image = image.filter(ImageFilter.GaussianBlur(radius))
        if generator.random() < self.noise_share:
            image = self._noise(image, generator)
        if generator.random() < self.screenshot_share:
            image = self._screenshot(image, generator)
        if generator.random() < self.save_share:
            for _ in range(int(generator.integers(1, self.max_saves + 1))):
                image = self._save(image, generator)
        return image

    def _tone(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(1 + generator.uniform(-self.tone, self.tone))
        return _gamma(image, float(np.exp(generator.uniform(-self.tone, self.tone))))

    def _noise(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        pixels = np.asarray(image, dtype=np.float32)
        sigma = np.float32(generator.uniform(1, self.max_noise))
        noisy = pixels + sigma * generator.standard_normal(pixels.shape, dtype=np.float32)
        return Image.fromarray(np.clip(noisy + 0.5, 0, 255).astype(np.uint8))

    def _screenshot(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        factor = generator.uniform(1.1, 2.0)
        shown = image.resize(
            (round(image.width * factor), round(image.height * factor)), draw_filter(generator)
        )
        shown = _gamma(shown, float(generator.uniform(0.85, 1.15)))
        return shown.resize(image.size, draw_filter(generator))

    def _save(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        quality = int(generator.integers(self.min_quality, 101))
        buffer = BytesIO()
        if generator.random() < self.webp_share:
            image.save(buffer, "WEBP", quality=quality, method=0)
        else:
            subsampling = int(generator.integers(0, 3))  # 4:4:4, 4:2:2, 4:2:0
            image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
        # Bytes of our own making, a moment old: this is no decoding of anybody's file.
        return Image.open(buffer, formats=["JPEG", "WEBP"]).convert("RGB")


def draw_filter(generator: np.random.Generator) -> Image.Resampling:
    """Any of the resize filters, each as often."""
    return FILTERS[list(FILTERS)[int(generator.integers(len(FILTERS)))]]


def _gamma(image: Image.Image, gamma: float) -> Image.Image:
    table = (255 * (np.arange(256) / 255) ** gamma + 0.5).astype(np.uint8)
    return image.point(list(table) * 3)
