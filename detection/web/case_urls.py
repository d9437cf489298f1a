"""Pages about cases."""

from django.urls import path

from detection.web import (
    case_image_pages,
    case_note_pages,
    case_pages,
    case_people_pages,
    case_report,
)

urlpatterns = [
    path("cases", case_pages.case_list, name="cases"),
    path("cases/new", case_pages.new, name="case_new"),
    path("cases/<uuid:pk>", case_pages.case, name="case"),
    path("cases/<uuid:pk>/edit", case_pages.edit, name="case_edit"),
    path("cases/<uuid:pk>/state", case_pages.state, name="case_state"),
    path("cases/<uuid:pk>/history", case_pages.history, name="case_history"),
    path("cases/<uuid:pk>/people", case_people_pages.people, name="case_people"),
    path("cases/<uuid:pk>/images", case_image_pages.case_images, name="case_images"),
    path("cases/<uuid:pk>/notes", case_note_pages.add, name="case_notes"),
    path("cases/<uuid:pk>/notes/<uuid:note>", case_note_pages.note, name="case_note"),
    path("cases/<uuid:pk>/report", case_report.report, name="case_report"),
    path("cases/<uuid:pk>/report.json", case_report.report_json, name="case_report_json"),
    path("images/<uuid:pk>/cases", case_image_pages.image_cases, name="image_cases"),
]
