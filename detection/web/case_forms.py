"""What people may say of a case and in it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from detection.models import CaseMember
from detection.models.case import MAX_DESCRIPTION, MAX_TITLE
from detection.services.case_notes import MAX_TEXT
from detection.tags import normalised


class CaseForm(forms.Form):
    """Title, description and tags; `used` are tags of other cases, to be ticked."""

    title = forms.CharField(
        label=_("Title"), max_length=MAX_TITLE, widget=forms.TextInput(attrs={"dir": "auto"})
    )
    description = forms.CharField(
        label=_("Description"),
        required=False,
        max_length=MAX_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 5, "dir": "auto"}),
    )
    tags = forms.CharField(
        label=_("Tags"),
        required=False,
        max_length=1000,
        help_text=_("With commas between them."),
        widget=forms.TextInput(attrs={"dir": "auto"}),
    )
    used = forms.MultipleChoiceField(
        label=_("Tags used before"), required=False, widget=forms.CheckboxSelectMultiple
    )
    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, suggested: list[str], initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial, label_suffix="")
        used = self.fields["used"]
        assert isinstance(used, forms.MultipleChoiceField)
        used.choices = [(name, name) for name in suggested]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        try:
            found["tags"] = normalised([*found.get("tags", "").split("\n"), *found.get("used", [])])
        except ValueError as error:
            self.add_error("tags", str(error))
        return found

    def clean_tags(self) -> str:
        """One a line, which `clean` puts together with those that were ticked."""
        try:
            return "\n".join(normalised(self.cleaned_data["tags"]))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error


class NoteForm(forms.Form):
    text = forms.CharField(
        label=_("Note"),
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 4, "dir": "auto"}),
    )
    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)


class PersonForm(forms.Form):
    """Whom to let in, and as what."""

    who = forms.CharField(
        label=_("E-mail address, or the name of somebody you share a case with"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "off", "list": "colleagues"}),
    )
    role = forms.ChoiceField(
        label=_("What they may do"),
        choices=CaseMember.Role.choices,
        initial=CaseMember.Role.EDITOR,
        widget=forms.RadioSelect,
    )
    confidential = forms.BooleanField(required=False)
