"""How often somebody did something within one window of time, while Redis is away."""

from django.db import models


class RateWindow(models.Model):
    """One counter; written by one statement in `deepfake_site.rate_limits` alone."""

    key = models.CharField(max_length=120, primary_key=True)
    count = models.IntegerField()
    ends_at = models.FloatField(db_index=True)  # seconds since 1970: the same in every database

    def __str__(self) -> str:
        return f"{self.key}: {self.count}"
