//! The frame of `report.html`: its style and how a table is written. Knows nothing of results.

use crate::report::chart::escape;

/// Everything around the body. No script, no font, no image: the page opens with no network.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// A table; its cells are text. The first column reads from the left, the others are numbers.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: String = heads.iter().map(|head| format!("<th>{}</th>", escape(head))).collect();
    let body: String = rows
        .iter()
        .map(|row| {
            let cells: String = row.iter().map(|cell| format!("<td{}>{}</td>", class_of(cell), escape(cell))).collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    format!("<div class=\"wide\"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n")
}

/// The words of a verdict are coloured, too.
fn class_of(cell: &str) -> &'static str {
    match cell {
        "kept" | "KEPT" => " class=\"good\"",
        "BROKEN" | "INVALID" => " class=\"bad\"",
        _ => "",
    }
}

/// Colours tell apart for people who do not see red and green alike (after Okabe and Ito).
const STYLE: &str = "
:root { --ink: #1b1f24; --soft: #59636e; --paper: #ffffff; --panel: #f6f8fa; --rule: #d8dee4; --good: #116329; --bad: #a40e26;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b0478a; --c4: #b07d00; --c5: #3a9ad9; --c6: #6b4fbb; --c7: #57606a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --panel: #161b22; --rule: #30363d; --good: #4ac26b; --bad: #ff7b72;
    --c0: #58a6ff; --c1: #f0883e; --c2: #3fb98f; --c3: #e28ac6; --c4: #e3b341; --c5: #79d0ff; --c6: #b392f0; --c7: #9198a1; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 6px 0; } .soft { color: var(--soft); }
.verdict { border: 1px solid var(--rule); border-left-width: 6px; border-radius: 6px; background: var(--panel); padding: 10px 16px; margin: 12px 0; }
.verdict.good { border-left-color: var(--good); } .verdict.bad { border-left-color: var(--bad); }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.verdict p, .verdict ul { color: var(--ink); font-weight: 400; } ul { margin: 4px 0; padding-left: 22px; }
.wide { overflow-x: auto; } .wide + .wide { margin-top: 18px; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { color: var(--soft); font-weight: 600; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: 10px 14px; overflow-x: auto; white-space: pre-wrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); gap: 18px; }
figure { margin: 0; border: 1px solid var(--rule); border-radius: 6px; padding: 10px; }
figcaption { font-weight: 600; margin-bottom: 4px; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 12px; } .grid { stroke: var(--rule); stroke-width: 1; } .origin { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 2; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .dashed { stroke-dasharray: 6 4; } .dotted { stroke-dasharray: 1.5 3.5; }
circle { fill: transparent; } circle:hover { fill: var(--ink); fill-opacity: 0.35; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; color: var(--soft); margin: 4px 0 0; }
.legend span { display: inline-flex; align-items: center; gap: 6px; } .key { width: 26px; height: 8px; }
@media print { figure, .verdict { break-inside: avoid; } }
";
