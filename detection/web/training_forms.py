"""What administrators say when they order a training or change the schedule."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from detection import trainable
from detection.models import Dataset, Snapshot, TrainingRun
from detection.training_presentation import network_words, size_words


def _networks() -> list[tuple[str, str]]:
    """Read with every form: names are in the reader's language."""
    return [(one.config, network_words(one.config)) for one in trainable.offers()]


MOST_EPOCHS = max(one.max_epochs for one in trainable.offers())


class NetworkForm(forms.Form):
    """Which network, from where, for how long."""

    config = forms.ChoiceField(label=gettext_lazy("Network"), choices=_networks)
    start = forms.ChoiceField(
        label=gettext_lazy("Begin"),
        choices=TrainingRun.Start.choices,
        help_text=gettext_lazy(
            "From the active model: it keeps what it knows, and half of what it is shown are "
            "images it knows already. Only the same network can go on."
        ),
    )
    epochs = forms.IntegerField(
        label=gettext_lazy("Epochs"),
        required=False,
        min_value=1,
        max_value=MOST_EPOCHS,
        help_text=gettext_lazy("Leave it empty for as many as the network usually takes."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        epochs, config = cleaned.get("epochs"), cleaned.get("config")
        if epochs and config and epochs > size_words(config)[1]:
            most = {"most": size_words(config)[1]}
            self.add_error("epochs", _("This network takes %(most)s epochs at most.") % most)
        return cleaned


class TrainingForm(NetworkForm):
    """One training."""

    snapshot = forms.ModelChoiceField(
        label=gettext_lazy("Frozen snapshot"),
        queryset=Snapshot.objects.none(),
        required=False,
        empty_label=gettext_lazy("none: freeze the data sets below now"),
    )
    datasets = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Data sets"),
        queryset=Dataset.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        initial=1,
        min_value=0,
        max_value=2**31 - 1,
        help_text=gettext_lazy("The same seed on the same snapshot gives the same training."),
    )
    note = forms.CharField(label=gettext_lazy("Why? (a note)"), required=False, max_length=500)

    field_order = ("config", "start", "snapshot", "datasets", "epochs", "seed", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        whole = Snapshot.objects.filter(broken_at=None).newest_first()
        self.fields["snapshot"].queryset = whole  # type: ignore[attr-defined]
        self.fields["datasets"].queryset = Dataset.objects.order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors and not cleaned["snapshot"] and not cleaned["datasets"]:
            raise ValidationError(_("Choose a snapshot, or data sets to freeze one from."))
        return cleaned


class ScheduleForm(NetworkForm):
    """When a training starts by itself."""

    is_on = forms.BooleanField(label=gettext_lazy("Start a training by itself"), required=False)
    new_labels = forms.IntegerField(
        label=gettext_lazy("when so many new reviewed labels are in"),
        min_value=1,
        max_value=1_000_000,
    )
    days_between = forms.IntegerField(
        label=gettext_lazy("and so many days have passed since the last one"),
        min_value=1,
        max_value=365,
    )
    datasets = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Data sets"),
        queryset=Dataset.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("None chosen means all of them, at the time it starts."),
    )

    field_order = ("is_on", "new_labels", "days_between", "config", "start", "epochs", "datasets")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["epochs"].required = True
        self.fields["epochs"].help_text = ""
        self.fields["datasets"].queryset = Dataset.objects.order_by("name")  # type: ignore[attr-defined]
