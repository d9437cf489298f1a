"""Putting tags on images and taking them off."""

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from detection.errors import Refused
from detection.models import Image, ImageTag, Tag
from detection.models.tag import tag_key

MAX_TAGS_PER_IMAGE = 50


def add_tag(*, by: User, image: Image, name: str) -> bool:
    """Have an image bear a tag; False where it does already.

    Raises:
        Refused: the tag has no letters, the image has as many as it may, or it was erased.
    """
    key = tag_key(name)
    if not key:
        raise Refused("no_tag")
    with transaction.atomic():
        Image.objects.held_fast(image.pk)
        tag = _tag(key)
        if ImageTag.objects.filter(image=image, tag=tag).exists():
            return False
        if ImageTag.objects.filter(image=image).count() >= MAX_TAGS_PER_IMAGE:
            raise Refused("too_many_tags")
        ImageTag.objects.create(image=image, tag=tag, by=by)
        _record("image.tagged", by=by, image=image, tag=tag)
    return True


def remove_tag(*, by: User, image: Image, name: str) -> bool:
    """Take a tag off an image; False where it bears none such."""
    with transaction.atomic():
        Image.objects.held_fast(image.pk)
        tag = Tag.objects.select_for_update().filter(key=tag_key(name)).first()
        if tag is None or not ImageTag.objects.filter(image=image, tag=tag).delete()[0]:
            return False
        _drop_unused([tag])
        _record("image.untagged", by=by, image=image, tag=tag)
    return True


def untag(image: Image) -> None:
    """Forget an erased image's tags, in the transaction that erases it."""
    tags = list(Tag.objects.select_for_update().filter(image_tags__image=image).order_by("pk"))
    ImageTag.objects.filter(image=image).delete()
    _drop_unused(tags)


def _tag(key: str) -> Tag:
    """The tag, held fast so that nobody drops it as unused in this moment."""
    try:
        with transaction.atomic():
            Tag.objects.get_or_create(key=key, defaults={"name": key})
        return Tag.objects.select_for_update().get(key=key)
    except (IntegrityError, Tag.DoesNotExist):  # dropped between the two
        return Tag.objects.create(name=key, key=key)


def _drop_unused(tags: list[Tag]) -> None:
    for tag in tags:
        if not ImageTag.objects.filter(tag=tag).exists():
            Tag.objects.filter(pk=tag.pk).delete()


def _record(action: str, *, by: User, image: Image, tag: Tag) -> None:
    audit.record(
        action,
        actor=by,
        target=image,
        owner=image.owner,
        target_sha256=image.sha256,
        detail={"tag": tag.key},
    )
