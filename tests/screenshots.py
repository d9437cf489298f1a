"""Screenshots drawn in code: a photograph between bars, buttons and lines of text."""

from PIL import Image, ImageDraw, ImageFont

LIGHT = {"paper": (255, 255, 255), "bar": (246, 246, 248), "ink": (20, 20, 24)}
DARK = {"paper": (18, 18, 20), "bar": (32, 32, 36), "ink": (235, 235, 238)}
THEMES = {"light": LIGHT, "dark": DARK}
PHONE, DESKTOP = (585, 1266), (1440, 900)
LINE = "Officials said on Thursday that the picture was taken near the harbour"

Box = tuple[int, int, int, int]


def phone(photo: Image.Image, theme: str, *, margin: int = 0) -> tuple[Image.Image, Box]:
    """A post in a feed: status bar, a name, the photograph, text below, a bar of buttons."""
    colours = THEMES[theme]
    page = Image.new("RGB", PHONE, colours["paper"])
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, PHONE[0], 44), fill=colours["bar"])
    draw.text((24, 12), "9:41", fill=colours["ink"], font=ImageFont.load_default(20))
    draw.ellipse((20, 64, 68, 112), fill=(60, 110, 190))
    _text(draw, colours, (84, 72), 2, width=30)
    width = PHONE[0] - 2 * margin
    fitted = photo.resize((width, round(width * photo.height / photo.width)))
    top = 140
    page.paste(fitted, (margin, top))
    _text(draw, colours, (20, top + fitted.height + 24), 9)
    draw.rectangle((0, PHONE[1] - 80, PHONE[0], PHONE[1]), fill=colours["bar"])
    for at in range(5):
        left = 40 + at * 110
        draw.rectangle((left, PHONE[1] - 60, left + 36, PHONE[1] - 24), outline=colours["ink"])
    return page, (margin, top, width, fitted.height)


def desktop(photo: Image.Image, theme: str) -> tuple[Image.Image, Box]:
    """An article in a browser: tabs, a column of links, headline, photograph, text around it."""
    colours = THEMES[theme]
    page = Image.new("RGB", DESKTOP, colours["paper"])
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, DESKTOP[0], 84), fill=colours["bar"])
    _text(draw, colours, (30, 12), 2, width=90)
    draw.text((300, 110), LINE[:42], fill=colours["ink"], font=ImageFont.load_default(34))
    fitted = photo.resize((640, round(640 * photo.height / photo.width)))
    fitted = fitted.crop((0, 0, 640, min(fitted.height, 560)))
    page.paste(fitted, (300, 180))
    _text(draw, colours, (30, 180), 20, width=26)
    _text(draw, colours, (980, 180), 24, width=46)
    _text(draw, colours, (300, 190 + fitted.height), 5)
    return page, (300, 180, 640, fitted.height)


def text_alone(theme: str) -> Image.Image:
    """A page of text, without any photograph."""
    colours = THEMES[theme]
    page = Image.new("RGB", PHONE, colours["paper"])
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, PHONE[0], 100), fill=colours["bar"])
    _text(draw, colours, (20, 130), 34)
    return page


def _text(
    draw: ImageDraw.ImageDraw,
    colours: dict[str, tuple[int, int, int]],
    at: tuple[int, int],
    lines: int,
    *,
    width: int = 62,
) -> None:
    font = ImageFont.load_default(16)
    for line in range(lines):
        words = (LINE * 2)[line : line + width]
        draw.text((at[0], at[1] + 26 * line), words, fill=colours["ink"], font=font)
