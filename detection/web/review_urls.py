"""Pages of the review desk."""

from django.urls import path

from detection.web import (
    golden_pages,
    review_bulk,
    review_desk,
    review_figures_page,
    review_item_page,
    review_rules_page,
    review_section,
)

urlpatterns = [
    path("review", review_desk.desk, name="review"),
    path("review/next", review_desk.go_on, name="review_next"),
    path("review/look", review_desk.look, name="review_look"),
    path("review/change", review_bulk.change_many, name="review_change"),
    path("review/figures", review_figures_page.figures, name="review_figures"),
    path("review/rules", review_rules_page.rules, name="review_rules"),
    path("review/golden", golden_pages.golden_images, name="review_golden"),
    path("review/golden/<uuid:pk>/retire", golden_pages.retire, name="golden_retire"),
    path("review/<uuid:pk>", review_item_page.item, name="review_item"),
    path("review/<uuid:pk>/lease", review_item_page.lease, name="review_lease"),
    path("review/decisions/<uuid:pk>/undo", review_desk.undo, name="review_undo"),
    path("detections/<uuid:pk>/review", review_section.bring, name="detection_review"),
    path("detections/<uuid:pk>/golden", golden_pages.add, name="detection_golden"),
]
