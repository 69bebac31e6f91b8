//! Pages that stand alone: no script, no font, no image, nothing fetched.

use crate::printer::escape;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#59636e;--paper:#fff;--line:#d8dee4;--bad:#b3261e;--heat:20,110,70}
@media (prefers-color-scheme:dark){
:root{--ink:#e6edf3;--dim:#9aa4ae;--paper:#0f1318;--line:#30363d;--bad:#ff8b80;--heat:80,220,140}
}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
body{margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}p{max-width:50rem}
table{border-collapse:collapse;font-size:.88rem}
th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid var(--line)}
th,td{vertical-align:top}td.long{overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}.dim{color:var(--dim)}.bad{color:var(--bad);font-weight:600}.gap{color:var(--bad)}
table.heat td.h{padding:0;min-width:.7rem;height:1.2rem;border:1px solid var(--paper)}
table.heat td.h{text-align:center;font-size:.75rem;line-height:1}
.l1{background:rgba(var(--heat),.10)}.l2{background:rgba(var(--heat),.20)}
.l3{background:rgba(var(--heat),.32)}.l4{background:rgba(var(--heat),.44)}
.l5{background:rgba(var(--heat),.56)}.l6{background:rgba(var(--heat),.70)}
.l7{background:rgba(var(--heat),.85)}.l8{background:rgb(var(--heat))}
";

/// A word of more characters may be broken anywhere; others are not, so that no column is squeezed into letters.
const WORD_LONG: usize = 40;

/// A whole page around `body`, which is markup already.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}</body>\n</html>\n",
        title = text(title)
    )
}

/// Text as markup. What a terminal must not see, a page need not see either.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Head {
    /// Text.
    Text(&'static str),
    /// Numbers stand at the right.
    Number(&'static str),
}

/// A table; cells are text, not markup. A cell that begins with `!` or `✗` stands out.
pub(crate) fn table(heads: &[Head], rows: &[Vec<String>]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for head in heads {
        match head {
            Head::Text(name) => put!(out, "<th scope=\"col\">{}</th>", text(name)),
            Head::Number(name) => put!(out, "<th scope=\"col\" class=\"n\">{}</th>", text(name)),
        }
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (head, cell) in heads.iter().zip(row) {
            let is_long = cell.split_whitespace().any(|word| word.chars().count() > WORD_LONG);
            let class = match head {
                Head::Number(_) => " class=\"n\"",
                Head::Text(_) if cell.starts_with(['!', '✗']) => " class=\"bad\"",
                Head::Text(_) if is_long => " class=\"long\"",
                Head::Text(_) => "",
            };
            put!(out, "<td{class}>{}</td>", text(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_too_long_for_a_column_may_be_broken() {
        let name = "a/".repeat(30);
        let table = table(&[Head::Text("x"), Head::Text("y")], &[vec![name.clone(), "modified".to_owned()]]);
        assert!(table.contains(&format!("<td class=\"long\">{name}</td><td>modified</td>")), "{table}");
    }

    #[test]
    fn nothing_from_a_log_becomes_markup() {
        let page = page("<b>", &table(&[Head::Text("x")], &[vec!["<script>\"'&\u{1b}".to_owned()]]));
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;\\u{1b}"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("<title>&lt;b&gt;</title>"), "{page}");
    }
}
