"""The page of a report: its style, its policy and its sections, without a script."""

from __future__ import annotations

from jupyter_mop.charts.report import details, results
from jupyter_mop.charts.report.blocks import escaped
from jupyter_mop.charts.report.contents import ReportContents
from jupyter_mop.charts.style.html_table import literal

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --page: #ffffff;
  --line: #d5d5d5; --band: #d9d9d9; --note: #f3f6f9; --mark: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --soft: #ababab; --page: #16181b;
  --line: #3d4146; --band: #454a50; --note: #20242a; --mark: #56b4e9; } }
* { box-sizing: border-box; }
html { background: var(--page); color: var(--ink); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1000px; margin: 0 auto;
  padding: 24px 16px 48px; overflow-wrap: break-word; }
h1 { font-size: 1.7em; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.2em; margin: 36px 0 8px; padding-top: 12px; border-top: 1px solid var(--line);
  break-after: avoid; }
h3 { font-size: 1em; margin: 20px 0 4px; break-after: avoid; }
p, ul { margin: 6px 0; max-width: 46em; }
ul { padding-left: 1.3em; }
li { margin: 3px 0; }
.soft { color: var(--soft); }
.verdicts { background: var(--note); border-left: 4px solid var(--mark); padding: 8px 16px;
  margin: 16px 0; break-inside: avoid; }
.wide { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 4px 12px 4px 0;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: 0.9em; }
td.n, th.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 38%; min-width: 110px; vertical-align: middle; }
td.text { min-width: 11em; }
tr { break-inside: avoid; }
tr.first td { font-weight: 600; }
.facts th { width: 11em; }
pre { white-space: pre-wrap; background: var(--note); padding: 10px 12px; margin: 8px 0;
  font-size: 0.9em; }
blockquote { margin: 6px 0; padding-left: 12px; border-left: 3px solid var(--line); }
.dot { display: inline-block; width: 0.75em; height: 0.75em; margin-right: 0.2em; }
.legend span { margin-right: 1.2em; white-space: nowrap; }
svg.row { display: block; width: 100%; overflow: visible; }
svg.map { width: 100%; max-width: 440px; display: block; border: 1px solid var(--line); }
.floor { fill: var(--band); }
.dashed { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 4 3; }
.interval { stroke: var(--ink); stroke-width: 2; }
.tick { stroke: var(--ink); stroke-width: 3; }
@media screen and (max-width: 640px) { body { font-size: 14px; padding: 16px 12px; }
  .facts th { width: 8.5em; } thead { display: none; }
  .wide tr { display: block; padding: 6px 0; border-bottom: 1px solid var(--line); }
  .wide td, .wide td.bar { display: flex; width: 100%; gap: 10px; padding: 2px 0; border: 0;
    white-space: normal; overflow-wrap: anywhere; }
  .wide td:first-child { font-weight: 600; }
  .wide td:not(:first-child):not(.bar)::before { content: attr(data-head); flex: 0 0 8.5em;
    color: var(--soft); font-size: 0.9em; }
  .wide td.bar span { flex: 1; } }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --page: #fff;
  --line: #ccc; --band: #d9d9d9; --note: #fff; --mark: #0072b2; }
  body { max-width: none; padding: 0; font-size: 10.5pt; } .wide { overflow: visible; }
  td.bar { width: 28%; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@page { margin: 16mm; }
"""
SECTIONS = (
    details.people,
    details.prompt,
    results.personas,
    results.alignment,
    results.answers,
    results.missing,
    results.diagnosis,
    results.responses,
    details.record,
    details.problems,
)


def report_page(contents: ReportContents) -> str:
    """Return a report as one HTML page, which loads nothing and runs no script.

    Every text of people or of the model is escaped. Texts of people are shown only with
    `contents.with_quotes`.

    Parameters
    ----------
    contents : ReportContents

    Examples
    --------
    >>> import pandas as pd
    >>> from jupyter_mop.engine.simulation.simulation import Simulation
    >>> rows = {"persona": ["<b>"], "context": "tea", "response": ["$5 & <i>"], "weight": 1.0}
    >>> rows |= {"exemplar": None, "draw": 0}
    >>> page = report_page(ReportContents(Simulation(pd.DataFrame(rows)), "toy", shown=[0]))
    >>> "<i>" in page, "$5 &amp; &lt;i&gt;" in page, "<script" in page
    (False, True, False)
    """
    name = escaped(contents.simulation.name)
    body = [
        f"<h1>{name}</h1>",
        details.summary(contents),
        *(section(contents) for section in SECTIONS),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{name}: simulation report</title><style>{STYLE}</style></head>\n"
        f"<body><main>{literal(''.join(body))}</main></body></html>\n"
    )
