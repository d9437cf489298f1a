"""Forms of the pages about labelled data."""

from django import forms
from django.utils.translation import gettext_lazy as _

from detection.models import Dataset, ImportedFile, LabelledImage


class DatasetForm(forms.Form):
    """A new dataset."""

    name = forms.CharField(label=_("Name"), max_length=80)
    licence = forms.CharField(
        label=_("Licence"),
        max_length=200,
        help_text=_("Of all of its images; it is repeated on the card of what learns from them."),
    )
    consent = forms.CharField(
        label=_("On what ground may the people shown be learnt from?"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )
    description = forms.CharField(
        label=_("Where the images come from"),
        required=False,
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
    )


class PathForm(forms.Form):
    """What to import of what lies on the server."""

    path = forms.CharField(
        label=_("Folder, manifest or ZIP on the server"),
        max_length=500,
        help_text=_("Below the folder that this desk imports from."),
        widget=forms.TextInput({"dir": "ltr"}),
    )


class FreezeForm(forms.Form):
    """What to freeze, under which name."""

    name = forms.CharField(label=_("Name"), max_length=80)
    datasets = forms.ModelMultipleChoiceField(
        label=_("Datasets"),
        queryset=Dataset.objects.order_by("name"),
        widget=forms.CheckboxSelectMultiple,
    )


class SampleForm(forms.Form):
    """Which images of a dataset to show."""

    split = forms.ChoiceField(
        label=_("Split"),
        required=False,
        choices=[("", _("Every split")), *LabelledImage.Split.choices],
    )
    label = forms.ChoiceField(
        label=_("Label"),
        required=False,
        choices=[("", _("Both labels")), ("0", _("real")), ("1", _("fake"))],
    )

    def matching(self) -> dict[str, str]:
        """What a valid form asks for, as a filter."""
        return {name: value for name, value in self.cleaned_data.items() if value}


class OutcomeForm(forms.Form):
    """Which files of an import to show."""

    outcome = forms.ChoiceField(
        label=_("What became of it"),
        required=False,
        choices=[("", _("Every file")), *ImportedFile.Outcome.choices],
    )
