"""The shapes of answers about what the desk counts of itself, and of silent judgements."""

from detection.alert_words import TITLES
from detection.api.shapes import Shape, a, an_object, each, or_null, ref
from detection.models import Detection
from detection.services.monitoring import KINDS, OUTCOMES, SHOWN_BINS
from detection.services.workers import WATCHED

COUNT = a("integer", minimum=0)
DAY = a("string", format="date")
MOMENT = a("string", format="date-time")
MOMENT_OR_NULL = a("string?", format="date-time")
OUTCOME_COUNTS = an_object(dict.fromkeys(OUTCOMES, COUNT), "How many images, by outcome.")
KINDS_COUNTED: Shape = {
    "type": "object",
    "additionalProperties": an_object({"now": COUNT, "before": COUNT}),
}

SCHEMAS: dict[str, Shape] = {
    "Share": an_object(
        {
            "value": a("number", minimum=0, maximum=1),
            "low": a("number", "of the 95 % interval"),
            "high": a("number"),
            "n": a("integer", minimum=1),
        },
        "A share of `n`, with its interval.",
    ),
    "Stability": an_object(
        {
            "index": a("number", "population stability index; 0 for equal distributions"),
            "by_chance": a("number", "chance alone exceeds this once in 2,000 times"),
            "n": COUNT,
            "n_reference": COUNT,
        },
        "Scores against those of the eight weeks before, by the same model.",
    ),
    "Period": an_object(
        {
            "starts_on": DAY,
            "last_on": DAY,
            "is_partial": a("boolean", "it is not over"),
            "images": COUNT,
            "outcomes": OUTCOME_COUNTS,
            "inconclusive": or_null(ref("Share")),
            "failed": or_null(ref("Share")),
            "agreement": or_null(ref("Share")),
            "accusations": or_null(ref("Share")),
            "stability": or_null(ref("Stability")),
            "models": {
                "type": "object",
                "additionalProperties": COUNT,
                "description": "By name and version, what each judged.",
            },
        },
        "Days in UTC; null where nothing, or for `stability` too little, was counted.",
    ),
    "Alert": an_object(
        {
            "id": a("string", format="uuid"),
            "rule": a("string", enum=sorted(TITLES)),
            "title": a("string"),
            "figures": {"type": "object", "description": "What the rule saw last."},
            "raised_at": MOMENT,
            "seen_at": MOMENT,
            "ended_at": MOMENT_OR_NULL,
            "acknowledged_at": MOMENT_OR_NULL,
            "note": a("string"),
        }
    ),
    "Monitoring": an_object(
        {
            "unit": a("string", enum=["week", "day"]),
            "last_7_days": ref("Period"),
            "last_4_weeks": ref("Period"),
            "today": ref("Period"),
            "periods": each(ref("Period"), "the oldest first"),
            "scores": each(
                an_object({"now": COUNT, "before": COUNT}),
                "by twentieth of the probability: the last 7 days, and the 8 weeks before",
                minItems=SHOWN_BINS,
                maxItems=SHOWN_BINS,
            ),
            "sources": each(
                an_object(
                    {
                        "kind": a("string", enum=["page", "api"]),
                        "key": a("string", "an API key's name, for administrators alone"),
                        "requests": COUNT,
                        "outcomes": OUTCOME_COUNTS,
                    }
                )
            ),
            "kinds": an_object(dict.fromkeys(KINDS, KINDS_COUNTED)),
            "half_within_s": a("integer?", "half of the verdicts took at most so long"),
            "most_within_s": a("integer?", "nine in ten did"),
            "model_changes": each(an_object({"on": DAY, "model": a("string")})),
            "alerts": each(ref("Alert"), "what is wrong now"),
            "workers": each(
                an_object(
                    {
                        "queue": a("string", enum=list(WATCHED)),
                        "last_at": MOMENT_OR_NULL,
                        "is_silent": a("boolean"),
                    }
                )
            ),
            "waiting": each(
                an_object(
                    {
                        "queue": a("string", enum=Detection.Queue.values),
                        "count": COUNT,
                        "oldest_at": MOMENT_OR_NULL,
                    }
                )
            ),
        }
    ),
    "Shadow": an_object(
        {
            "model": a("string", format="uuid"),
            "is_running": a("boolean"),
            "since": MOMENT_OR_NULL,
            "until": MOMENT_OR_NULL,
            "share": a("number", "of the active model's verdicts"),
            "judged": COUNT,
            "waiting": COUNT,
            "failed": COUNT,
            "agreement": or_null(ref("Share")),
            "verdicts": each(
                an_object(
                    {
                        "active": a("string", enum=Detection.Verdict.values),
                        "shadow": a("string", enum=Detection.Verdict.values),
                        "count": COUNT,
                    }
                ),
                "both models' on the same images",
            ),
            "cpu_ms": a("number?", "median processor time of the silent model's worker"),
            "changed": each(
                an_object(
                    {
                        "detection": a("string", format="uuid"),
                        "active": a("string", enum=Detection.Verdict.values),
                        "shadow": a("string", enum=Detection.Verdict.values),
                        "probability": a("number?", "the silent model's"),
                    }
                ),
                "the latest with another verdict that you may see, at most 50",
            ),
        }
    ),
}
SHADOW_ORDER = an_object(
    {
        "until": a("string", "in the future, at most 28 days away", format="date-time"),
        "share": a("number", exclusiveMinimum=0, maximum=1, default=1),
    },
    required=["until"],
)
ACKNOWLEDGEMENT = an_object({"note": a("string", minLength=1, maxLength=500)})
