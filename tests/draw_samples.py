"""Draws the sample pictures of the first visit: `python -m tests.draw_samples`."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FOLDER = Path(__file__).parent.parent / "static" / "img" / "samples"
SCALE = 2  # drawn larger, then reduced: smooth edges
Point = tuple[float, float]


def gradient(
    width: int, height: int, stops: list[tuple[float, tuple[int, int, int]]]
) -> Image.Image:
    """A picture that runs from the first colour at the top to the last at the bottom."""
    at = np.linspace(0, 1, height)
    positions = [position for position, _ in stops]
    channels = [np.interp(at, positions, [colour[c] for _, colour in stops]) for c in range(3)]
    column = np.stack(channels, axis=1)[:, None, :]
    return Image.fromarray(np.repeat(column, width, axis=1).astype(np.uint8))


def grained(image: Image.Image, seed: int, strength: float) -> Image.Image:
    """The picture with a little noise, as paper has."""
    noise = np.random.default_rng(seed).normal(0, strength, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def hill(width: int, base: float, height: float, seed: int) -> list[Point]:
    """An outline of low hills above a base line."""
    rng = np.random.default_rng(seed)
    phases, x = rng.uniform(0, 2 * math.pi, 4), np.linspace(0, width, 240)
    line = sum(np.sin(x / width * (3 + 4 * k) + phase) / (k + 1) for k, phase in enumerate(phases))
    top = base - height * (0.6 + 0.25 * np.asarray(line))
    return [(0, base), *zip(x.tolist(), top.tolist(), strict=True), (width, base)]


def boat(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, hull: str, sail: str) -> None:
    draw.polygon(
        [
            (x - size, y),
            (x + size, y),
            (x + 0.7 * size, y + 0.3 * size),
            (x - 0.75 * size, y + 0.3 * size),
        ],
        fill=hull,
    )
    draw.line([(x, y), (x, y - 1.9 * size)], fill=hull, width=max(2, int(size / 14)))
    draw.polygon(
        [(x + 5, y - 1.8 * size), (x + 5, y - 0.15 * size), (x + 0.85 * size, y - 0.15 * size)],
        fill=sail,
    )
    draw.polygon(
        [(x - 5, y - 1.5 * size), (x - 5, y - 0.15 * size), (x - 0.6 * size, y - 0.15 * size)],
        fill=sail,
    )


def harbour() -> Image.Image:
    width, height = 880 * SCALE, 586 * SCALE
    horizon = int(height * 0.58)
    sky = gradient(
        width,
        horizon,
        [(0, (38, 58, 97)), (0.55, (170, 120, 134)), (0.8, (233, 165, 116)), (1, (248, 205, 140))],
    )
    sea = gradient(
        width, height - horizon, [(0, (196, 150, 128)), (0.25, (96, 104, 132)), (1, (22, 40, 66))]
    )
    image = Image.new("RGB", (width, height))
    image.paste(sky, (0, 0))
    image.paste(sea, (0, horizon))
    draw = ImageDraw.Draw(image)
    sun = (width * 0.64, horizon - 70 * SCALE)
    radius = 46 * SCALE
    draw.ellipse(
        [sun[0] - radius, sun[1] - radius, sun[0] + radius, sun[1] + radius], fill=(255, 233, 178)
    )
    for base, rise, seed, colour in (
        (horizon, 120, 3, (104, 92, 120)),
        (horizon, 70, 8, (66, 68, 98)),
    ):
        draw.polygon(hill(width, base, rise * SCALE, seed), fill=colour)
    draw.rectangle([0, horizon, width, horizon + 2 * SCALE], fill=(60, 62, 92))
    rng = np.random.default_rng(5)
    for _ in range(420):  # light on the water, denser under the sun
        y = horizon + (height - horizon) * rng.uniform(0.02, 1) ** 1.3
        spread = 60 + (y - horizon) * 0.7
        x = rng.normal(sun[0], spread)
        length = rng.uniform(8, 46) * SCALE * (0.4 + (y - horizon) / (height - horizon))
        draw.line(
            [(x - length, y), (x + length, y)],
            fill=(250, 214, 158) if rng.random() < 0.6 else (128, 122, 146),
            width=SCALE,
        )
    tower = width * 0.17
    draw.polygon(
        [
            (tower - 34, horizon + 30),
            (tower + 34, horizon + 30),
            (tower + 20, horizon - 300),
            (tower - 20, horizon - 300),
        ],
        fill=(242, 232, 214),
    )
    for band in range(3):
        top = horizon - 260 + band * 110
        draw.polygon(
            [
                (tower - 22 - band * 5, top),
                (tower + 22 + band * 5, top),
                (tower + 25 + band * 5, top + 48),
                (tower - 25 - band * 5, top + 48),
            ],
            fill=(176, 62, 48),
        )
    draw.rectangle([tower - 26, horizon - 340, tower + 26, horizon - 300], fill=(255, 226, 150))
    draw.polygon(
        [(tower - 32, horizon - 340), (tower + 32, horizon - 340), (tower, horizon - 384)],
        fill=(70, 40, 46),
    )
    draw.polygon(
        [
            (0, horizon + 20),
            (tower + 130, horizon + 24),
            (tower + 210, horizon + 62),
            (0, horizon + 92),
        ],
        fill=(46, 46, 66),
    )
    boat(draw, width * 0.47, horizon + 110, 74, "#2b2636", "#f4e6cd")
    boat(draw, width * 0.82, horizon + 190, 118, "#1d2233", "#e9d2b4")
    boat(draw, width * 0.34, horizon + 56, 36, "#3a3347", "#f2ddc2")
    return grained(image.resize((880, 586), Image.Resampling.LANCZOS), 1, 2.2)


def portrait() -> Image.Image:
    width, height = 640 * SCALE, 760 * SCALE
    image = gradient(width, height, [(0, (206, 214, 208)), (1, (150, 170, 170))])
    draw = ImageDraw.Draw(image)

    def ellipse(x: float, y: float, rx: float, ry: float, colour: str) -> None:
        draw.ellipse(
            [(x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE], fill=colour
        )

    def shape(points: list[Point], colour: str) -> None:
        draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=colour)

    def stroke(points: list[Point], colour: str, thick: int) -> None:
        draw.line(
            [(x * SCALE, y * SCALE) for x, y in points],
            fill=colour,
            width=thick * SCALE,
            joint="curve",
        )

    ellipse(320, 318, 176, 210, "#33241f")  # hair behind
    shape([(150, 320), (490, 320), (505, 520), (430, 560), (210, 560), (135, 520)], "#33241f")
    ellipse(320, 830, 290, 230, "#24485e")  # coat
    shape([(262, 470), (378, 470), (396, 640), (320, 690), (244, 640)], "#c48a68")  # neck
    shape([(244, 624), (320, 700), (250, 760), (170, 668)], "#1b3849")
    shape([(396, 624), (320, 700), (390, 760), (470, 668)], "#1b3849")
    shape([(290, 700), (350, 700), (338, 760), (302, 760)], "#e8dcc4")
    ellipse(320, 350, 132, 168, "#d9a27d")  # face
    shape(
        [
            (190, 300),
            (198, 230),
            (250, 175),
            (330, 158),
            (410, 186),
            (446, 250),
            (452, 310),
            (420, 262),
            (352, 226),
            (270, 252),
            (222, 292),
        ],
        "#3b2a23",
    )
    for x in (268, 372):
        stroke([(x - 34, 306), (x - 8, 296), (x + 30, 304)], "#3b2a23", 8)
        ellipse(x, 338, 25, 13, "#f6efe6")
        ellipse(x, 338, 12, 12, "#3c5a52")
        ellipse(x, 338, 6, 6, "#14181a")
        ellipse(x + 4, 334, 2.5, 2.5, "#ffffff")
        stroke([(x - 27, 338), (x - 10, 325), (x + 14, 325), (x + 28, 337)], "#2b1f1b", 4)
    stroke([(318, 346), (306, 402), (322, 416), (338, 410)], "#a8734f", 6)
    shape(
        [(278, 452), (306, 444), (320, 450), (334, 444), (362, 452), (340, 470), (300, 470)],
        "#a64b45",
    )
    stroke([(278, 453), (320, 457), (362, 453)], "#7d332f", 3)
    ellipse(232, 400, 24, 15, "#d3937a")
    ellipse(408, 400, 24, 15, "#d3937a")
    for x in (184, 456):
        ellipse(x, 420, 8, 8, "#e6c15a")
    soft = image.filter(ImageFilter.GaussianBlur(1.6))
    return grained(soft.resize((640, 760), Image.Resampling.LANCZOS), 2, 2.0)


def stamp() -> Image.Image:
    width, height, tooth = 560 * SCALE, 660 * SCALE, 17 * SCALE
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    edge = 26 * SCALE
    draw.rectangle([edge, edge, width - edge, height - edge], fill="#f7f1e1")
    for along, across, is_row in (
        (width, (edge, height - edge), True),
        (height, (edge, width - edge), False),
    ):
        steps = round((along - 2 * edge) / (2.6 * tooth))
        for k in range(steps + 1):
            at = edge + (along - 2 * edge) * k / steps
            for other in across:
                x, y = (at, other) if is_row else (other, at)
                draw.ellipse(
                    [x - tooth * 0.72, y - tooth * 0.72, x + tooth * 0.72, y + tooth * 0.72],
                    fill=(0, 0, 0, 0),
                )
    inner = 74 * SCALE
    picture = gradient(
        width - 2 * inner,
        height - 2 * inner - 70 * SCALE,
        [(0, (20, 74, 104)), (0.7, (120, 170, 176)), (1, (226, 214, 178))],
    )
    image.paste(picture, (inner, inner))
    base, middle = inner + picture.height, width / 2
    for step in range(12):  # rays of the lamp
        angle = math.pi * (1 + (step + 0.5) / 12)
        far = [
            (middle + 900 * math.cos(angle + d), inner + 190 + 900 * math.sin(angle + d))
            for d in (-0.05, 0.05)
        ]
        rays = Image.new("RGBA", image.size, (0, 0, 0, 0))
        ImageDraw.Draw(rays).polygon([(middle, inner + 190), *far], fill=(255, 244, 200, 60))
        box = (inner, inner, width - inner, base)
        image.paste(Image.alpha_composite(image.crop(box), rays.crop(box)), box[:2])
    draw = ImageDraw.Draw(image)
    draw.polygon(
        [
            (middle - 74, base),
            (middle + 74, base),
            (middle + 42, inner + 230),
            (middle - 42, inner + 230),
        ],
        fill="#f7f1e1",
    )
    for band in range(3):
        top, wide = inner + 300 + band * 150, 46 + band * 12
        draw.polygon(
            [
                (middle - wide, top),
                (middle + wide, top),
                (middle + wide + 6, top + 66),
                (middle - wide - 6, top + 66),
            ],
            fill="#0d3b66",
        )
    draw.rectangle(
        [middle - 40, inner + 150, middle + 40, inner + 230],
        fill="#fff0b8",
        outline="#0d3b66",
        width=6,
    )
    draw.polygon(
        [(middle - 54, inner + 150), (middle + 54, inner + 150), (middle, inner + 84)],
        fill="#0d3b66",
    )
    draw.polygon(
        [
            (inner, base),
            (inner, base - 60),
            (middle, base - 110),
            (width - inner, base - 44),
            (width - inner, base),
        ],
        fill="#27463b",
    )
    for k in range(7):  # lines of lettering, without a font
        x = inner + k * (width - 2 * inner) / 7
        draw.rectangle([x, base + 34 * SCALE, x + 40 * SCALE, base + 46 * SCALE], fill="#0d3b66")
    return image.resize((560, 660), Image.Resampling.LANCZOS)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    harbour().save(FOLDER / "harbour.jpg", quality=86, optimize=True)
    portrait().save(FOLDER / "portrait.jpg", quality=86, optimize=True)
    stamp().quantize(200, method=Image.Quantize.FASTOCTREE).save(
        FOLDER / "stamp.png", optimize=True
    )


if __name__ == "__main__":
    main()
