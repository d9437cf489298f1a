"""A report as one HTML file that needs nothing else: for a browser, and for paper."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml.evaluation import POOLED
from ml.judging import CLEAN
from ml.report_damage import copies, damage
from ml.report_markup import (
    DASH,
    Html,
    decimal,
    html,
    in_brackets,
    joined,
    percent,
    plot,
    section,
    table,
    tile,
)
from ml.report_plots import draw_probability, draw_reliability, draw_roc
from ml.report_sources import left_out, methods, sources
from ml.report_words import failures_in_words, source_in_words, veto_in_words

STYLESHEET = Path(__file__).with_name("report_page.css")
# Names of files are hostile: should one get past the escaping, it still may load and run nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"

Report = dict[str, Any]


def write_page(report: Report, path: Path) -> None:
    """Render what `ml.report.build_report` gives; parts that hold no data are left out."""
    name = f"{report['artifact']['name']} {report['artifact']['version']}"
    body = joined([part for render in SECTIONS for part in render(report)])
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evaluation of {html(name)}</title>\n"
        f"<style>\n{STYLESHEET.read_text()}</style></head>\n"
        f"<body><h1>Evaluation of {html(name)}</h1>\n{body}</body></html>\n"
    )
    path.write_text(page, encoding="utf-8")


def _headline(report: Report) -> Iterator[Html]:
    row = report["cells"][CLEAN][POOLED]
    accused, right = row["false_accusations"], row["decided_accuracy"]
    figures = [
        ("Pictures", html(f"{report['n']:,}"), f"{row['n']:,} of them in the pool"),
        ("AUC", html(decimal(row["auc"]["value"])), in_brackets(row["auc"], decimal)),
        ("Decided", html(percent(row["coverage"]["value"])), in_brackets(row["coverage"])),
        ("Wrong among decided", html(percent(_wrong(right)["value"])), in_brackets(_wrong(right))),
        ("Reals accused", html(percent(accused["value"])), in_brackets(accused)),
    ]
    lead = "What the detector does with pictures as they are; in brackets, 95 % intervals."
    sha256 = html(report["artifact"]["sha256"])
    yield Html(f'<p class="lead">{lead}</p><p class="identity">SHA-256 <code>{sha256}</code></p>\n')
    yield Html(f'<dl class="tiles">{joined([tile(*figure) for figure in figures])}</dl>\n')


def _wrong(right: dict[str, Any]) -> dict[str, Any]:
    if right["value"] is None:
        return right
    value, low, high = (1 - right[key] for key in ("value", "high", "low"))
    return {"value": value, "low": low, "high": high, "n": right["n"]}


def _vetoes(report: Report) -> Iterator[Html]:
    rows = [
        [veto_in_words(code), *(f"{row[key]:,}" for key in ("raised", "withheld")), _of(row)]
        for code, row in report["vetoes"].items()
    ]
    if rows:
        yield section(
            "Vetoes",
            "A veto leaves a picture undecided whatever its probability: it is worth its cost "
            "where many of the verdicts that it alone withheld would have been wrong.",
            table("Vetoes raised", ("veto", "raised", "withheld alone", "of those wrong"), rows),
        )


def _of(row: dict[str, Any]) -> str:
    if not row["withheld"]:
        return DASH
    return f"{row['withheld_wrong']:,} ({percent(row['withheld_wrong'] / row['withheld'])})"


def _plots(report: Report) -> Iterator[Html]:
    curves, row = report["curves"], report["cells"][CLEAN]
    if roc := curves["roc"]:
        drawn = [
            plot(draw_roc(points, name), f"{name}: AUC {decimal(row[source]['auc']['value'])}")
            for source, points in roc.items()
            for name in [source_in_words(source)]
        ]
        yield section(
            "Ranking",
            "The further a curve bends to the upper left, the better fakes and reals are told "
            "apart; the dotted diagonal is guessing, the dashed line 5 % of the reals accused.",
            Html(f'<div class="plots curves">{joined(drawn)}</div>'),
        )
    if curves["reliability"]:
        reliability = draw_reliability(curves["reliability"])
        histogram = draw_probability(curves["probability"])
        drawn = [
            plot(reliability, "Share of fakes among pictures of about the same probability."),
            plot(histogram, "How often each probability was stated."),
        ]
        yield section(
            "Probability",
            "Points on the dotted diagonal mean what they say: of the pictures at 70 %, 70 of 100 "
            "are fakes; bars are 95 % intervals.",
            Html(f'<div class="plots">{joined(drawn)}</div>'),
        )


def _faithfulness(report: Report) -> Iterator[Html]:
    found = report.get("faithfulness")
    if not found or not found["n"]:
        return
    masked = f"{found['masked_share']:.0%}".replace("%", " %")
    figures = [
        ("Fall under marked cells", html(f"{found['fall_of_marked']:.2f}"), "of the logit, mean"),
        ("Fall under random cells", html(f"{found['fall_of_random']:.2f}"), "of the logit, mean"),
        ("Marked ahead", html(percent(found["ahead"])), f"of {found['n']:,} pictures"),
    ]
    yield section(
        "Whether the evidence map tells the truth",
        f"When the {masked} of the picture that the map marks most are blurred, the logit should "
        "fall further than when as much is blurred at random.",
        Html(f'<dl class="tiles">{joined([tile(*figure) for figure in figures])}</dl>'),
    )


def _failures(report: Report) -> Iterator[Html]:
    failures = report["failures"]
    rows = [
        [str(at), told, Html(f'<td class="file">{html(one["file"])}</td>')]
        for at, (told, one) in enumerate(
            zip(failures_in_words(failures), failures, strict=True), start=1
        )
    ]
    if rows:
        yield section(
            "Where it fails",
            "The wrong verdicts that the detector was surest of, surest first; the per cent are "
            "the stated probability of a fake.",
            table("Wrong verdicts", ("no.", "what happened", "file"), rows, kind="words"),
        )


SECTIONS: tuple[Callable[[Report], Iterator[Html]], ...] = (
    _headline,
    sources,
    methods,
    damage,
    copies,
    _vetoes,
    _plots,
    left_out,
    _faithfulness,
    _failures,
)
