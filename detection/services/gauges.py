"""The desk in this moment as gauges for Prometheus, from a fixed number of statements.

Each reads open work, or the last hour, by an index: none grows with what the desk has kept. Labels
are words of the code and names of models, never anything a person wrote.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, F, FloatField, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Now
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from detection.models import (
    Detection,
    DriftAlert,
    EvidenceLayer,
    HistoryRow,
    ModelVersion,
    WorkerSign,
)
from detection.services import open_work
from detection.services.open_work import OpenDetections

HOUR = timedelta(hours=1)
# Failures have no index by their end: they are looked for among what was received of late.
FAILURES_AMONG = timedelta(days=1)
STAGES = ("preprocess", "transforms", "network")  # of ml.inference, in `Detection.timings_ms`
PREFIX = "unmask_"
Status = Detection.Status

Values = Mapping[tuple[str, ...], float]


def gauge(
    name: str, about: str, values: float | Values, labels: Sequence[str] = ()
) -> GaugeMetricFamily:
    """One value, or one for each set of labels."""
    family = GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for key, value in values.items() if isinstance(values, Mapping) else [((), values)]:
        family.add_metric(list(key), value)
    return family


def gauges() -> Iterator[GaugeMetricFamily]:
    """All that the database knows.

    Raises:
        Error: of `django.db`, where the database is away.
    """
    active = list(ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE))
    yield from _open_work()
    yield from _last_hour(active)
    yield from _models(active)
    yield from _layers()
    yield from _webhooks()
    yield from _mails()
    yield from _workers()
    yield from _alerts()


def verdicts_of_the_hour() -> QuerySet:
    """Verdicts given within the hour by model and verdict, with the milliseconds of each stage."""
    rows = Detection.objects.filter(status=Status.DONE, completed_at__gte=Now() - HOUR).order_by()
    stages = {
        stage: Sum(Cast(KeyTextTransform(stage, "timings_ms"), FloatField())) for stage in STAGES
    }
    timed = {
        f"{stage}_n": Count("pk", filter=Q(**{f"timings_ms__{stage}__isnull": False}))
        for stage in STAGES
    }
    again = Count("pk", filter=Q(attempt__gt=1))
    return rows.values(
        "verdict", name=F("model_version__name"), version=F("model_version__version")
    ).annotate(n=Count("pk"), again=again, **stages, **timed)


def failures_of_the_hour() -> QuerySet:
    """What failed within the hour, of what was received within the day, counted by code."""
    received = HistoryRow.objects.failed().filter(created_at__gte=Now() - FAILURES_AMONG)
    ended = Detection.objects.filter(completed_at__gte=Now() - HOUR).order_by()
    rows = ended.filter(pk__in=received.values("pk"))
    return rows.values_list("failure_code").annotate(n=Count("pk"))


def layers_of_the_hour() -> QuerySet:
    """Layers of evidence of images that were received within the hour, counted by status."""
    received = Detection.objects.filter(created_at__gte=Now() - HOUR).order_by()
    rows = EvidenceLayer.objects.filter(image__in=received.values("image")).order_by()
    return rows.values_list("status").annotate(n=Count("pk"))


def _open_work() -> Iterator[GaugeMetricFamily]:
    found = open_work.open_detections()

    def by_queue(
        name: str, about: str, value: Callable[[OpenDetections], float]
    ) -> GaugeMetricFamily:
        values: Values = {(queue,): value(state) for queue, state in found.items()}
        return gauge(name, about, values, ["queue"])

    yield by_queue("detections_queued", "Detections that wait.", lambda at: at.work.waiting)
    yield by_queue(
        "detections_running", "Detections that a worker has.", lambda at: at.work.running
    )
    yield by_queue(
        "detections_oldest_queued_seconds",
        "Longest wait of all.",
        lambda at: _age_s(at.work.oldest_at),
    )
    yield by_queue(
        "detections_again", "Open detections that were tried before.", lambda at: at.again
    )
    yield by_queue("leases_expired", "Running detections whose worker is lost.", lambda at: at.lost)


def _last_hour(active: Sequence[ModelVersion]) -> Iterator[GaugeMetricFamily]:
    verdicts: dict[tuple[str, ...], float] = {
        (v.name, v.version, verdict): 0 for v in active for verdict in Detection.Verdict.values
    }
    seconds: dict[tuple[str, ...], float] = {(stage,): 0 for stage in STAGES}
    timed = dict(seconds)
    again = 0
    for row in verdicts_of_the_hour():
        verdicts[row["name"], row["version"], row["verdict"]] = row["n"]
        again += row["again"]
        for stage in STAGES:
            seconds[stage,] += (row[stage] or 0) / 1000
            timed[stage,] += row[f"{stage}_n"]
    failures: Values = {(code,): n for code, n in failures_of_the_hour()}
    ended: Values = {("done",): sum(verdicts.values()), ("failed",): sum(failures.values())}
    yield gauge("last_hour_detections", "Detections that ended, by how.", ended, ["status"])
    yield gauge("last_hour_verdicts", "Verdicts given.", verdicts, ["model", "version", "verdict"])
    yield gauge(
        "last_hour_failures", "Failures, of what was received within a day.", failures, ["code"]
    )
    yield gauge("last_hour_verdicts_again", "Verdicts that took a second attempt.", again)
    yield gauge("last_hour_stage_seconds_sum", "Time of verdicts by stage.", seconds, ["stage"])
    yield gauge("last_hour_stage_seconds_count", "Verdicts with that time.", timed, ["stage"])


def _models(active: Sequence[ModelVersion]) -> Iterator[GaugeMetricFamily]:
    names: Values = {(version.name, version.version): 1 for version in active}
    damaged = sum(version.damaged_at is not None for version in active)
    yield gauge("model_active", "Versions that judge: one, or none.", len(active))
    yield gauge("model_info", "The version that judges.", names, ["model", "version"])
    yield gauge("model_damaged", "Of them, those whose files are not what was registered.", damaged)


def _layers() -> Iterator[GaugeMetricFamily]:
    counted: dict[tuple[str, ...], float] = {(status,): 0 for status in Status.values}
    counted |= {(status,): n for status, n in layers_of_the_hour()}
    yield gauge(
        "last_hour_layers", "Layers of evidence of images received since.", counted, ["status"]
    )


def _webhooks() -> Iterator[GaugeMetricFamily]:
    found = open_work.webhooks()
    yield gauge("webhooks_waiting", "Deliveries not sent yet, due or not.", found.count)
    yield gauge("webhooks_due", "Deliveries that could be sent now.", found.due.waiting)
    yield gauge("webhooks_oldest_due_seconds", "Longest overdue.", _age_s(found.due.oldest_at))


def _mails() -> Iterator[GaugeMetricFamily]:
    found = open_work.mails()
    yield gauge("mails_waiting", "Pieces of news to be mailed, due or not.", found.count)
    yield gauge("mails_oldest_due_seconds", "Longest overdue.", _age_s(found.oldest_at))


def _workers() -> Iterator[GaugeMetricFamily]:
    signs: Values = {(sign.queue,): sign.at.timestamp() for sign in WorkerSign.objects.all()}
    about = "When a worker last took a message from this queue; of `sweep`, when the sweeper ran."
    yield gauge("worker_last_sign_timestamp_seconds", about, signs, ["queue"])


def _alerts() -> Iterator[GaugeMetricFamily]:
    standing: Values = {(alert.rule,): 1 for alert in DriftAlert.objects.standing()}
    yield gauge("alert_standing", "What the page Monitoring warns of.", standing, ["rule"])


def _age_s(since: datetime | None) -> float:
    """Seconds since then; 0 for what is still to come, or for nothing."""
    return max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0
