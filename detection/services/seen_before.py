"""Whether a picture was here before: the same file, a copy of it, or one that is much like it.

Only what a person may see is looked at: an index begins with whose an image is, so that what others
hide costs this person no time either.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, F, Func, Q

from accounts.models import User
from detection import likeness
from detection.models import Case, Detection, Image
from detection.models.image import visibility

# Of one band; a thousand are usual among a million pictures, ten thousand among a million faces.
MOST_CANDIDATES = 20_000
MOST_MATCHES = 50
# Large columns that no list of matches shows.
UNSEEN = (
    *("activation", "faces", "transforms", "timings_ms"),
    *("image__facts", "model_version__metrics"),
)


class Kind(StrEnum):
    EXACT = "exact"  # the same bytes
    NEAR = "near"  # a copy: saved again, resized, of the screen
    POSSIBLE = "possible"  # a copy with a frame, a caption or an edge less; or another picture


@dataclass(frozen=True)
class Fingerprint:
    """What a picture is found by.

    Attributes:
        upright, in_mirror: perceptual hashes; empty for what was not decoded.
    """

    sha256: str
    upright: str
    in_mirror: str

    @property
    def is_telling(self) -> bool:
        """Whether it can be compared with other pictures at all."""
        return likeness.is_telling(self.upright)

    def distance(self, other: str) -> tuple[int, bool]:
        """To another picture's hash, and whether its mirrored copy is what comes near."""
        number = int(other, 16)
        straight = (number ^ self._upright).bit_count()
        turned = (number ^ self._in_mirror).bit_count()
        return (turned, True) if turned < straight else (straight, False)

    @cached_property
    def _upright(self) -> int:
        return int(self.upright, 16)

    @cached_property
    def _in_mirror(self) -> int:
        return int(self.in_mirror, 16)


@dataclass(frozen=True)
class Match:
    """An image that was here, by the latest detection of it."""

    detection: Detection
    kind: Kind
    distance: int
    is_mirrored: bool


@dataclass(frozen=True)
class Found:
    """What was found, nearest first.

    Attributes:
        is_telling: False where the picture is too uniform to be compared; only equal files count.
        is_whole: False where there is more than was looked at.
    """

    matches: list[Match]
    is_telling: bool
    is_whole: bool


def fingerprint(image: Image) -> Fingerprint:
    """Of a stored image; one from before mirrored hashes were kept gets about the right one."""
    upright = image.perceptual_hash
    in_mirror = image.mirrored_hash or (upright and likeness.mirrored(upright))
    return Fingerprint(image.sha256, upright, in_mirror)


@dataclass(frozen=True)
class Likeness:
    """How alike two pictures are; `kind` is None where neither is a copy of the other."""

    kind: Kind | None
    distance: int
    is_mirrored: bool


def alike(one: Image, other: Image) -> Likeness | None:
    """How alike two stored images are; None where one is too uniform to be compared."""
    if one.sha256 == other.sha256:
        return Likeness(Kind.EXACT, 0, is_mirrored=False)
    first, second = fingerprint(one), fingerprint(other)
    if not (first.is_telling and second.is_telling):
        return None
    distance, is_mirrored = first.distance(second.upright)
    is_near = distance <= likeness.POSSIBLE_DISTANCE
    kind = _kind(distance, is_exact=False) if is_near else None
    return Likeness(kind, distance, is_mirrored=is_mirrored and is_near)


def find(user: User | None, picture: Fingerprint, *, beside: Detection | None = None) -> Found:
    """What this person may see of the same picture.

    Args:
        user: None for the desk itself, which looks at whatever is not confidential.
        beside: the detection that asks, which is no match of itself.
    """
    search = _Search(user, picture)
    nearest = sorted(search.images().items(), key=_exact_then_near)
    latest = _latest(user, [pk for pk, _ in nearest[: _enough()]], beside)
    matches = [
        Match(latest[pk], _kind(distance, is_exact=is_exact), distance, is_mirrored)
        for pk, (distance, is_mirrored, is_exact) in nearest
        if pk in latest
    ]
    matches.sort(key=_rank)
    is_whole = search.is_whole and len(matches) <= MOST_MATCHES
    return Found(matches[:MOST_MATCHES], picture.is_telling, is_whole)


@dataclass
class _Search:
    user: User | None
    picture: Fingerprint
    is_whole: bool = True

    def images(self) -> dict[UUID, tuple[int, bool, bool]]:
        """Distance, whether it is mirrored, whether it is the same file; by image."""
        same = Image.objects.filter(_visible_to(self.user), sha256=self.picture.sha256)
        found = dict.fromkeys(same.values_list("pk", flat=True)[: _enough()], (0, False, True))
        if self.picture.is_telling:
            for pk, distance, is_mirrored in self._alike():
                found.setdefault(pk, (distance, is_mirrored, False))
        return found

    def _alike(self) -> Iterator[tuple[UUID, int, bool]]:
        for scope in _scopes(self.user):
            if near := self._near(self._candidates(scope)):
                yield from ((pk, *near[value]) for value, pk in self._rows(scope, near))
        shared = self._bounded(_shared_with(self.user).values_list("perceptual_hash", "pk"))
        near = self._near(value for value, _ in shared if value)
        yield from ((pk, *near[value]) for value, pk in shared if value in near)

    def _candidates(self, scope: dict[str, Any]) -> Iterator[str]:
        """Hashes that share a band with the picture or its mirrored copy, or nearly so.

        A statement a band: over all three together PostgreSQL starts parallel workers, which takes
        ten times as long as the three.
        """
        for number, values in enumerate(self._probes):
            rows = Image.objects.filter(_is_one_of(f"band_{number}", values), **scope)
            yield from self._bounded(rows.values_list("perceptual_hash", flat=True))

    @cached_property
    def _probes(self) -> list[set[int]]:
        """Of each band, the values to look for."""
        both = map(likeness.bands, (self.picture.upright, self.picture.in_mirror))
        return [
            {value for band in pair for value in likeness.probes(band)}
            for pair in zip(*both, strict=True)
        ]

    def _near(self, hashes: Iterable[str]) -> dict[str, tuple[int, bool]]:
        nearest = {value: self.picture.distance(value) for value in set(hashes)}
        return {
            value: pair
            for value, pair in nearest.items()
            if pair[0] <= likeness.POSSIBLE_DISTANCE and likeness.is_telling(value)
        }

    def _rows(
        self, scope: dict[str, Any], near: dict[str, tuple[int, bool]]
    ) -> list[tuple[str, UUID]]:
        """Images with these hashes; where there are too many, the nearest of them."""
        found = _with_hashes(scope, near)
        if len(found) < _enough():
            return found
        self.is_whole, found = False, []
        for distance in sorted({distance for distance, _ in near.values()}):
            found += _with_hashes(scope, [v for v, (far, _) in near.items() if far == distance])
            if len(found) >= _enough():
                break
        return found

    def _bounded(self, rows: Any) -> list[Any]:
        some = list(rows[:MOST_CANDIDATES])
        if len(some) == MOST_CANDIDATES:
            self.is_whole = False
        return some


def _is_one_of(column: str, numbers: Iterable[int]) -> Func:
    """As `column__in`, which takes Django as long to write down as the database to answer."""
    listed = ",".join(str(int(number)) for number in numbers)
    template = f"%(expressions)s IN ({listed})"
    return Func(F(column), template=template, output_field=BooleanField())


def _enough() -> int:
    """As many images as there may be matches, the one that asks, and another that is too many."""
    return MOST_MATCHES + 2


def _visible_to(user: User | None, image: str = "") -> Q:
    if user is None:
        return Q(**{f"{image}is_confidential": False, f"{image}erased_at": None})
    return visibility(user, image)


def _scopes(user: User | None) -> list[dict[str, Any]]:
    """Which images are a person's to see, apart from those of a case, each as one index finds it.

    Together with `_shared_with` what `detection.models.image.visibility` says.
    """
    # As lists, because `NOT is_confidential` is no equality that SQLite's index could use; and one
    # by one, because PostgreSQL may filter by a list of both only after reading others' entries.
    secret, public = {"is_confidential__in": [True]}, {"is_confidential__in": [False]}
    if user is None:
        return [public]
    own = {"owner": user}
    return [public if user.is_reviewer else public | own, secret | own]


def _with_hashes(scope: dict[str, Any], values: Iterable[str]) -> list[tuple[str, UUID]]:
    """Hash and image, as many as are of use; found by the first band, which the hashes imply."""
    values = [*values]
    rows = Image.objects.filter(
        _is_one_of("band_0", {likeness.bands(value)[0] for value in values}),
        perceptual_hash__in=values,
        **scope,
    )
    return list(rows.values_list("perceptual_hash", "pk")[: _enough()])


def _shared_with(user: User | None) -> Any:
    if user is None:
        return Image.objects.none()
    cases = Case.objects.filter(Q(people=user) | Q(owner=user))
    in_case = Image.cases.through.objects.filter(case__in=cases).values("image")
    return Image.objects.filter(pk__in=in_case, erased_at=None).exclude(owner=user)


def _latest(
    user: User | None, images: list[UUID], beside: Detection | None
) -> dict[UUID, Detection]:
    """The latest detection of each image, if there is a verdict the latest that has one."""
    # Not `visible_to`: SQLite would list all images of a person to look for these few among them.
    rows = Detection.objects.filter(_visible_to(user, "image__"), image__in=images).defer(*UNSEEN)
    if beside is not None:
        rows = rows.exclude(pk=beside.pk).exclude(_same_coming(beside))
    rows = rows.select_related("image__owner", "model_version").order_by("created_at")
    return {row.image_id: row for row in sorted(rows, key=lambda row: bool(row.verdict))}


def _same_coming(beside: Detection) -> Q:
    """What was judged again did not come again."""
    same = Q(image=beside.image_id)
    return same if beside.judged_before_id else same & ~Q(judged_before=None)


def _kind(distance: int, *, is_exact: bool) -> Kind:
    if is_exact:
        return Kind.EXACT
    return Kind.NEAR if distance <= likeness.NEAR_DISTANCE else Kind.POSSIBLE


def _exact_then_near(item: tuple[UUID, tuple[int, bool, bool]]) -> tuple[bool, int]:
    distance, _, is_exact = item[1]
    return not is_exact, distance


def _rank(match: Match) -> tuple[bool, int, float]:
    return (
        match.kind != Kind.EXACT,
        match.distance,
        -match.detection.created_at.timestamp(),
    )
