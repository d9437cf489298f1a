"""A release before runs on the tables of the next: what migrations may do to it."""

import functools
from collections.abc import Iterator

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED

# Migrations up to these came before there was a release.
BASELINE = {"accounts": 8, "detection": 11}
RAN = "RunPython, which nobody can judge but a person"
# What is harmful and was done all the same, each with its reason.
KNOWN = {
    ("accounts.0009", "user.wants_mail"): "has its default since accounts 0010",
    ("detection.0012", "submission.wants_review"): "has its default since detection 0021",
    ("detection.0015", "webhookdelivery.occasion"): "has its default since detection 0021",
    ("detection.0015", "notice.lease_owner"): "has its default since detection 0021",
    ("detection.0015", "notice.mail_attempt"): "has its default since detection 0021",
    ("detection.0015", "constraint one_delivery_per_endpoint_and_event"): "wider than before",
    ("detection.0015", "constraint one_callback_per_submission_and_event"): "wider than before",
    ("detection.0015", RAN): "withdraws all but the latest claim of a person, for the next",
    ("detection.0015", "constraint one_standing_claim_per_person"): (
        "of releases before 0015, a second claim of a person about a detection is refused"
    ),
    ("detection.0016", "datasetimport.stage"): "has its default since detection 0021",
    ("detection.0016", "labelledimage.mirrored_hash"): "has its default since detection 0021",
    ("detection.0018", RAN): "writes rows that the release before does not read",
    ("detection.0019", "constraint a_shadow_has_an_end"): "about columns that are new",
    ("detection.0019", "constraint one_shadow_at_a_time"): "about columns that are new",
    ("detection.0019", "constraint shadow_share_is_a_share"): "about columns that are new",
    ("detection.0019", "modelversion.is_shadow"): "has its default since detection 0021",
    ("detection.0019", "modelversion.shadow_share"): "has its default since detection 0021",
    ("detection.0024", "RunSQL, which nobody can judge but a person"): "drops an index alone",
    (
        "detection.0025",
        "RunSQL, which nobody can judge but a person",
    ): "fills the column that is new",
    ("detection.0029", "constraint notice_is_of_one_thing"): "the one column is filled, or the new",
}
TAKES_AWAY = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.DeleteModel,
    migrations.RenameModel,
    migrations.AlterModelTable,
)


Fields = dict[tuple[str, str], models.Field]


def harm(operation: Operation, known: Fields, made_here: set[str]) -> Iterator[str]:
    """What an operation does that the release before cannot live with, by name.

    Args:
        known: the fields before it, by model and name.
        made_here: models of the same migration, which the release before does not use.
    """
    model = getattr(operation, "model_name", getattr(operation, "name", "") or "").lower()
    name = getattr(operation, "name", "")
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for one in operation.database_operations:
            yield from harm(one, known, made_here)
    elif isinstance(operation, migrations.RunPython | migrations.RunSQL):
        yield f"{type(operation).__name__}, which nobody can judge but a person"
    elif model in made_here:
        return
    elif isinstance(operation, migrations.AddField):
        if must_be_filled(operation.field):
            yield f"{model}.{name}"
        if operation.field.unique:
            yield f"{model}.{name} is unique"
    elif isinstance(operation, migrations.AlterField):
        before = known[model, name]
        if before.null and not operation.field.null:
            yield f"{model}.{name} may not be null any more"
        if operation.field.unique and not before.unique:
            yield f"{model}.{name} is unique"
    elif isinstance(operation, TAKES_AWAY):
        yield f"{type(operation).__name__} {model}.{name}"
    elif isinstance(operation, migrations.AddConstraint):
        yield f"constraint {operation.constraint.name}"


def must_be_filled(field: models.Field) -> bool:
    """Whether an INSERT that does not know the column fails."""
    has_column = not isinstance(field, models.ManyToManyField | models.GeneratedField)
    return has_column and not field.null and field.db_default is NOT_PROVIDED


def learn(operation: Operation, known: Fields) -> None:
    """Take over what an operation says of fields."""
    if isinstance(operation, migrations.CreateModel):
        for name, field in operation.fields:
            known[operation.name.lower(), name] = field
    elif isinstance(operation, migrations.AddField | migrations.AlterField):
        known[operation.model_name.lower(), operation.name] = operation.field


@functools.cache
def found() -> set[tuple[str, str]]:
    """Each harm after the baseline, by migration."""
    harms = set()
    disk = MigrationLoader(None).disk_migrations
    for app, baseline in BASELINE.items():
        known: Fields = {}
        for _app, name in sorted(key for key in disk if key[0] == app):
            if disk[app, name].replaces:
                continue  # for a database that nothing is in
            number, operations = name.partition("_")[0], disk[app, name].operations
            creates = [one for one in operations if isinstance(one, migrations.CreateModel)]
            made_here = {one.name.lower() for one in creates}
            for operation in operations:
                if int(number) > baseline:
                    harms |= {(f"{app}.{number}", w) for w in harm(operation, known, made_here)}
                learn(operation, known)
    return harms


def test_no_migration_does_what_the_release_before_cannot_live_with():
    assert found() - set(KNOWN) == set()


def test_what_was_let_through_is_still_there():
    assert set(KNOWN) - found() == set()


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (migrations.AddField("Image", "a", models.IntegerField(default=1)), "image.a"),
        (migrations.AddField("Image", "a", models.IntegerField(null=True)), None),
        (migrations.AddField("Image", "a", models.IntegerField(db_default=1)), None),
        (
            migrations.AddField("Image", "a", models.IntegerField(null=True, unique=True)),
            "image.a is unique",
        ),
        (migrations.AddField("New", "a", models.IntegerField()), None),
        (
            migrations.AlterField("Image", "old", models.IntegerField()),
            "image.old may not be null any more",
        ),
        (migrations.RemoveField("Image", "old"), "RemoveField image.old"),
        (migrations.RenameField("Image", "old", "new"), "RenameField image.old"),
        (migrations.DeleteModel("Image"), "DeleteModel image.Image"),
        (
            migrations.AddConstraint(
                "Image", models.UniqueConstraint(fields=["old"], name="only_once")
            ),
            "constraint only_once",
        ),
        (migrations.AddIndex("Image", models.Index(fields=["old"], name="by_old")), None),
        (
            migrations.SeparateDatabaseAndState([migrations.RemoveField("Image", "old")]),
            "RemoveField image.old",
        ),
        (migrations.RunSQL("DROP TABLE x"), "RunSQL, which nobody can judge but a person"),
    ],
)
def test_it_knows_harm_when_it_sees_it(operation, said):
    known: Fields = {("image", "old"): models.IntegerField(null=True)}
    assert next(harm(operation, known, {"new"}), None) == said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("accounts_user", "wants_mail"),
        ("detection_submission", "wants_review"),
        ("detection_webhookdelivery", "occasion"),
        ("detection_notice", "lease_owner"),
        ("detection_notice", "mail_attempt"),
        ("detection_datasetimport", "stage"),
        ("detection_labelledimage", "mirrored_hash"),
        ("detection_modelversion", "is_shadow"),
        ("detection_modelversion", "shadow_share"),
    ],
)
def test_the_database_fills_what_an_older_release_does_not_know(table, column):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT dflt_value FROM pragma_table_info(%s) WHERE name = %s", [table, column]
            )
        else:
            cursor.execute(
                "SELECT column_default FROM information_schema.columns"
                " WHERE table_name = %s AND column_name = %s",
                [table, column],
            )
        assert cursor.fetchone()[0] is not None
