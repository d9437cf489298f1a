"""What a calibrated probability comes to where another share of the images is manipulated."""

from dataclasses import dataclass

from detection.models import ModelVersion


@dataclass(frozen=True)
class Expectation:
    """A probability under a share of fakes; verdicts and cuts keep to the calibrated one.

    Attributes:
        probability: P(fake) where `fake_share` of all submitted images are fake.
        fake_share: what the desk expects; without a word of its own, the calibration's share.
        calibration_fake_share: where the calibrated probability holds as it is.
    """

    probability: float
    fake_share: float
    calibration_fake_share: float

    @property
    def is_shifted(self) -> bool:
        return self.fake_share != self.calibration_fake_share


def expectation(
    probability: float | None, version: ModelVersion, fake_share: float | None
) -> Expectation | None:
    """The probability under this share of fakes; None where no calibration's share is known.

    Args:
        fake_share: in (0, 1); None for the share that the calibration presumes.
    """
    calibrated_at = calibration_fake_share(version)
    if probability is None or calibrated_at is None:
        return None
    share = calibrated_at if fake_share is None else fake_share
    shifted = at_share(probability, calibrated_at=calibrated_at, fake_share=share)
    return Expectation(shifted, share, calibrated_at)


def calibration_fake_share(version: ModelVersion) -> float | None:
    """The share of fakes that a version's probabilities presume; None if it is not recorded."""
    return (version.metrics.get("calibration") or {}).get("fake_share")


def at_share(probability: float, *, calibrated_at: float, fake_share: float) -> float:
    """P(fake) of the same image, were another share of all images fake.

    The odds move by the ratio of the two prior odds; what the image itself says stays as it is.

    Args:
        probability: calibrated P(fake), in [0, 1].
        calibrated_at, fake_share: shares of fakes, in (0, 1).
    Raises:
        ValueError: a number outside its range.
    Source: Saerens, Latinne and Decaestecker, Neural Computation 2002; Elkan, IJCAI 2001.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"a probability lies in [0, 1], not at {probability}")
    if not (0 < calibrated_at < 1 and 0 < fake_share < 1):
        raise ValueError(f"a share lies between 0 and 1: {calibrated_at}, {fake_share}")
    if fake_share == calibrated_at:
        return probability
    ratio = _odds(fake_share) / _odds(calibrated_at)
    return ratio * probability / (ratio * probability + (1 - probability))


def _odds(share: float) -> float:
    return share / (1 - share)
