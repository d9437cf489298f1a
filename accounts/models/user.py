"""People who sign in by e-mail, and the role that says what they may do."""

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Nobody's addresses: the domain is reserved, and mail to it goes nowhere.
ERASED_DOMAIN = "erased.invalid"


def refuse_nobodys(email: str) -> None:
    """An address as only erased accounts have; no account may be given one.

    Raises:
        ValidationError: it is one.
    """
    if email.strip().lower().endswith(f"@{ERASED_DOMAIN}"):
        raise ValidationError(_("Nobody can have this e-mail address."))


class UserManager(BaseUserManager["User"]):
    """Creates people; e-mail addresses are compared without regard to case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, role=User.Role.ADMIN, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser):
    """A person of this installation's one organisation."""

    class Role(models.TextChoices):
        JOURNALIST = "journalist", _("Journalist")
        MODERATOR = "moderator", _("Moderator")
        ADMIN = "admin", _("Administrator")

    class Theme(models.TextChoices):
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    email = models.EmailField(
        _("e-mail address"), max_length=254, unique=True, validators=[refuse_nobodys]
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    role = models.CharField(_("role"), max_length=16, choices=Role.choices, default=Role.JOURNALIST)
    is_auditor = models.BooleanField(_("may read the audit trail"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    language = models.CharField(_("language"), max_length=8, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    theme = models.CharField(_("appearance"), max_length=8, blank=True, choices=Theme.choices)

    wants_mail = models.BooleanField(_("mailed news"), default=True, db_default=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message=_("Somebody already has this e-mail address."),
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    @property
    def is_reviewer(self) -> bool:
        """Whether this person sees other people's detections that are not confidential."""
        return self.role in {self.Role.MODERATOR, self.Role.ADMIN}

    @property
    def is_invited(self) -> bool:
        """Whether this person was asked in and has not come yet."""
        return self.last_login is None and not self.has_usable_password()

    @property
    def is_erased(self) -> bool:
        """Whether this account was made nobody's, for good."""
        return self.email.endswith(f"@{ERASED_DOMAIN}")

    @property
    def reads_trail(self) -> bool:
        """Whether this person may read the audit trail: by permission, or as administrator."""
        return self.is_active and (self.is_auditor or self.role == self.Role.ADMIN)

    @property
    def is_staff(self) -> bool:
        """Django's word for who may open its admin site."""
        return self.is_superuser

    @property
    def is_superuser(self) -> bool:
        return self.is_active and self.role == self.Role.ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Django admin asks this; roles, not permission rows, decide."""
        return self.is_superuser

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_superuser
