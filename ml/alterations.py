"""What happens to pictures between a camera and a newsroom, to measure a detector by.

None of these is a transform that the stability check itself uses (`ml.stability`): it must not be
measured by what it was built on.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from ml.stability import jpeg, scaled, webp

Alteration = Callable[[Image.Image], Image.Image]


def gamma(image: Image.Image, exponent: float) -> Image.Image:
    table = (255 * (np.arange(256) / 255) ** exponent + 0.5).astype(np.uint8)
    return image.point(list(table) * 3)


def screenshot(image: Image.Image) -> Image.Image:
    """Shown a quarter larger on a screen of another gamma, and taken as a PNG."""
    shown = image.resize(
        (round(image.width * 1.25), round(image.height * 1.25)), Image.Resampling.BILINEAR
    )
    return gamma(shown, 0.95)


def resaved_thrice(image: Image.Image) -> Image.Image:
    return jpeg(scaled(jpeg(image, 85), 0.9), 75).convert("RGB")


def equalised(image: Image.Image) -> Image.Image:
    """Every picture of one size, aspect ratio and encoder: what is left is what it shows."""
    return jpeg(image.resize((256, 256), Image.Resampling.BICUBIC), 75)


def blurred(image: Image.Image, radius: float) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(radius))


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    """Gaussian noise, the same for pictures of the same size."""
    pixels = np.asarray(image, np.float32)
    noise = np.random.default_rng(1).standard_normal(pixels.shape, dtype=np.float32)
    return Image.fromarray(np.clip(pixels + sigma * noise + 0.5, 0, 255).astype(np.uint8))


def centre(image: Image.Image, share: float) -> Image.Image:
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def brighter(image: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(factor)


# What publishing tools and messengers do: a verdict must survive these.
COPIES: dict[str, Alteration] = {
    "jpeg_90": partial(jpeg, quality=90),
    "jpeg_70": partial(jpeg, quality=70),
    "jpeg_50": partial(jpeg, quality=50),
    "scale_75": partial(scaled, factor=0.75),
    "scale_50": partial(scaled, factor=0.5),
    "webp_80": partial(webp, quality=80),
    "screenshot": screenshot,
}

# Harsher ones, to see where it ends.
HARSH: dict[str, Alteration] = {
    "equalised": equalised,
    "jpeg_30": partial(jpeg, quality=30),
    "webp_75": partial(webp, quality=75),
    "scale_25": partial(scaled, factor=0.25),
    "scale_200": partial(scaled, factor=2.0),
    "resaved_thrice": resaved_thrice,
    "blur_1": partial(blurred, radius=1),
    "blur_2": partial(blurred, radius=2),
    "blur_3": partial(blurred, radius=3),
    "noise_5": partial(noisy, sigma=5),
    "noise_10": partial(noisy, sigma=10),
    "noise_20": partial(noisy, sigma=20),
    "crop_90": partial(centre, share=0.9),
    "crop_60": partial(centre, share=0.6),
    "darker": partial(brighter, factor=0.8),
    "brighter": partial(brighter, factor=1.2),
}

ALTERATIONS = {**COPIES, **HARSH}
