"""Whether a picture was here before: the same file, a copy of it, or one that is much like it.

Only what a person may see is looked at: an index begins with whose an image is, so that what others
hide costs this person no time either.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Q

from accounts.models import User
from detection import likeness
from detection.models import Case, Detection, Image

# Of one band; a thousand are usual among a million pictures, ten thousand among a million faces.
MOST_CANDIDATES = 20_000
MOST_MATCHES = 50
# Large columns that no list of matches shows.
UNSEEN = ("activation", "faces", "transforms", "timings_ms", "image__facts")


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
        straight = likeness.distance(self.upright, other)
        turned = likeness.distance(self.in_mirror, other)
        return min((straight, False), (turned, True))


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


def find(user: User, picture: Fingerprint, *, beside: Detection | None = None) -> Found:
    """What this person may see of the same picture.

    Args:
        beside: the detection that asks, which is no match of itself.
    """
    search = _Search(user, picture)
    nearest = sorted(search.images().items(), key=_exact_then_near)
    latest = _latest(user, [pk for pk, _ in nearest[: MOST_MATCHES + 1]], beside)
    matches = [
        Match(latest[pk], _kind(distance, is_exact=is_exact), distance, is_mirrored)
        for pk, (distance, is_mirrored, is_exact) in nearest
        if pk in latest
    ]
    matches.sort(key=_rank)
    is_whole = search.is_whole and len(nearest) <= MOST_MATCHES
    return Found(matches[:MOST_MATCHES], picture.is_telling, is_whole)


@dataclass
class _Search:
    user: User
    picture: Fingerprint
    is_whole: bool = True

    def images(self) -> dict[UUID, tuple[int, bool, bool]]:
        """Distance, whether it is mirrored, whether it is the same file; by image."""
        same = Image.objects.visible_to(self.user).filter(sha256=self.picture.sha256)
        found = dict.fromkeys(same.values_list("pk", flat=True)[: MOST_MATCHES + 1], (0, False, True))
        if self.picture.is_telling:
            for pk, distance, is_mirrored in self._alike():
                found.setdefault(pk, (distance, is_mirrored, False))
        return found

    def _alike(self) -> Iterator[tuple[UUID, int, bool]]:
        for scope in _scopes(self.user):
            near = self._near(self._candidates(scope))
            yield from self._rows(scope, near)
        shared = self._bounded(_shared_with(self.user).values_list("perceptual_hash", "pk"))
        near = self._near(value for value, _ in shared)
        yield from ((pk, *near[value]) for value, pk in shared if value in near)

    def _candidates(self, scope: dict[str, Any]) -> Iterator[str]:
        """Hashes that share a band with the picture or its mirrored copy, or nearly so."""
        pairs = zip(*map(likeness.bands, (self.picture.upright, self.picture.in_mirror)), strict=True)
        for number, pair in enumerate(pairs):
            values = {value for band in pair for value in likeness.probes(band)}
            rows = Image.objects.filter(**scope, **{f"band_{number}__in": sorted(values)})
            yield from self._bounded(rows.values_list("perceptual_hash", flat=True))

    def _near(self, hashes: Iterable[str]) -> dict[str, tuple[int, bool]]:
        near = {}
        for value in {value for value in hashes if likeness.is_telling(value)}:
            distance, is_mirrored = self.picture.distance(value)
            if distance <= likeness.POSSIBLE_DISTANCE:
                near[value] = (distance, is_mirrored)
        return near

    def _rows(
        self, scope: dict[str, Any], near: dict[str, tuple[int, bool]]
    ) -> Iterator[tuple[UUID, int, bool]]:
        """Images with these hashes, the nearest first, until there are enough."""
        left = MOST_MATCHES + 1
        for distance in sorted({distance for distance, _ in near.values()}):
            values = [value for value, (far, _) in near.items() if far == distance]
            first_band = {likeness.bands(value)[0] for value in values}
            rows = Image.objects.filter(
                **scope, band_0__in=sorted(first_band), perceptual_hash__in=values
            )
            for value, pk in rows.values_list("perceptual_hash", "pk")[:left]:
                left -= 1
                yield pk, *near[value]
            if not left:
                self.is_whole = False
                return

    def _bounded(self, rows: Any) -> list[Any]:
        some = list(rows[:MOST_CANDIDATES])
        if len(some) == MOST_CANDIDATES:
            self.is_whole = False
        return some


def _scopes(user: User) -> list[dict[str, Any]]:
    """Which images are a person's to see, apart from those of a case, each as one index finds it.

    Together with `_shared_with` what `detection.models.image.visibility` says.
    """
    if user.is_reviewer:
        return [{"is_confidential": False}, {"is_confidential": True, "owner": user}]
    return [{"is_confidential__in": [False, True], "owner": user}]


def _shared_with(user: User) -> Any:
    cases = Case.objects.filter(Q(people=user) | Q(owner=user))
    in_case = Image.cases.through.objects.filter(case__in=cases).values("image")
    return Image.objects.filter(pk__in=in_case, erased_at=None).exclude(owner=user)


def _latest(user: User, images: list[UUID], beside: Detection | None) -> dict[UUID, Detection]:
    """The latest detection of each image, if there is a verdict the latest that has one."""
    rows = Detection.objects.visible_to(user).filter(image__in=images).defer(*UNSEEN)
    if beside is not None:
        rows = rows.exclude(pk=beside.pk)
    rows = rows.select_related("image__owner", "model_version").order_by("created_at")
    return {row.image_id: row for row in sorted(rows, key=lambda row: bool(row.verdict))}


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
