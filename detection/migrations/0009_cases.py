"""Cases with roles, tags, entries that say who added them, and notes that keep their versions.

Nothing wrote the old tables of people, images and notes, so they are replaced.
"""

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("detection", "0008_reports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveField("case", "people"),
        migrations.RemoveField("case", "images"),
        migrations.RemoveField("case", "tags"),
        migrations.DeleteModel("CaseNote"),
        migrations.CreateModel(
            name="CaseNote",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "note",
            },
        ),
        migrations.CreateModel(
            name="CaseNoteVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("text", models.TextField(verbose_name="note")),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
            ],
            options={
                "verbose_name": "version of a note",
                "ordering": ["number"],
            },
        ),
        migrations.CreateModel(
            name="CaseTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=40, verbose_name="tag")),
            ],
            options={
                "verbose_name": "tag",
                "ordering": ["name"],
            },
        ),
        migrations.AddField(
            model_name="case",
            name="description",
            field=models.TextField(blank=True, verbose_name="description"),
        ),
        migrations.AddField(
            model_name="case",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.CreateModel(
            name="CaseImage",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="added"
                    ),
                ),
                (
                    "added_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="detection.case",
                    ),
                ),
                (
                    "image",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="case_entries",
                        to="detection.image",
                    ),
                ),
            ],
            options={
                "verbose_name": "image of a case",
            },
        ),
        migrations.AddField(
            model_name="case",
            name="images",
            field=models.ManyToManyField(
                blank=True,
                related_name="cases",
                through="detection.CaseImage",
                to="detection.image",
            ),
        ),
        migrations.CreateModel(
            name="CaseMember",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("editor", "Works on it"), ("reader", "Reads it")],
                        default="reader",
                        max_length=8,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "added_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="members",
                        to="detection.case",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="case_memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "person of a case",
            },
        ),
        migrations.AddField(
            model_name="case",
            name="people",
            field=models.ManyToManyField(
                blank=True,
                related_name="cases",
                through="detection.CaseMember",
                through_fields=("case", "user"),
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["owner", "-created_at", "-id"], name="case_of_owner"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["-created_at", "-id"], name="case_newest_first"),
        ),
        migrations.AddField(
            model_name="casenote",
            name="author",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="case_notes",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="casenote",
            name="case",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="notes",
                to="detection.case",
            ),
        ),
        migrations.AddField(
            model_name="casenote",
            name="removed_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="casenoteversion",
            name="note",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="detection.casenote",
            ),
        ),
        migrations.AddField(
            model_name="casetag",
            name="case",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tags",
                to="detection.case",
            ),
        ),
        migrations.AddIndex(
            model_name="caseimage",
            index=models.Index(
                fields=["case", "-created_at", "-id"], name="case_images_newest_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="caseimage",
            constraint=models.UniqueConstraint(
                fields=("case", "image"), name="image_once_in_a_case"
            ),
        ),
        migrations.AddConstraint(
            model_name="casemember",
            constraint=models.UniqueConstraint(
                fields=("case", "user"), name="one_membership_a_person"
            ),
        ),
        migrations.AddConstraint(
            model_name="casemember",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["editor", "reader"])), name="members_edit_or_read"
            ),
        ),
        migrations.AddIndex(
            model_name="casenote",
            index=models.Index(
                fields=["case", "-created_at", "-id"], name="case_notes_newest_first"
            ),
        ),
        migrations.AddConstraint(
            model_name="casenote",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("removed_at", None), ("removed_by", None)),
                    models.Q(("removed_at__isnull", False), ("removed_by__isnull", False)),
                    _connector="OR",
                ),
                name="removed_notes_say_by_whom",
            ),
        ),
        migrations.AddConstraint(
            model_name="casenoteversion",
            constraint=models.UniqueConstraint(fields=("note", "number"), name="note_version_once"),
        ),
        migrations.AddConstraint(
            model_name="casenoteversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1)), name="note_versions_from_one"
            ),
        ),
        migrations.AddIndex(
            model_name="casetag",
            index=models.Index(fields=["name"], name="case_tag_by_name"),
        ),
        migrations.AddConstraint(
            model_name="casetag",
            constraint=models.UniqueConstraint(fields=("case", "name"), name="tag_once_in_a_case"),
        ),
    ]
