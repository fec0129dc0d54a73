//! Makes a man page of one of our documents. It knows what these use: headings, paragraphs, lists, tables, blocks of
//! text, `code`, **bold**, *italic* and links. It is no Markdown reader for anybody else's.

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The page of a document, without its title line.
pub fn page(title: &str, section: &str, name: &str, source: &str, document: &str) -> String {
    let mut roff = Roff::new();
    roff.control("TH", [title, section, "", source, "Host Watchdog"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(name)]);
    roff.control("SH", ["DESCRIPTION"]);
    let mut lines = document.lines().skip_while(|line| line.starts_with('#') || line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            roff.control("PP", []).control("RS", ["4"]).control("nf", []);
            for line in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                roff.text([roman(line)]);
            }
            roff.control("fi", []).control("RE", []);
        } else if let Some(heading) = line.strip_prefix("## ") {
            roff.control("SH", [capitals(heading).as_str()]);
        } else if line.starts_with('|') {
            let header = cells(line);
            let rows = std::iter::from_fn(|| lines.next_if(|line| line.starts_with('|')));
            for row in rows.skip(1).collect::<Vec<_>>() {
                entry(&mut roff, &header, &cells(row));
            }
        } else if let Some(first) = line.strip_prefix("- ") {
            let more = std::iter::from_fn(|| lines.next_if(|line| line.starts_with("  "))).map(str::trim);
            let item = [first].into_iter().chain(more).collect::<Vec<_>>().join(" ");
            roff.control("IP", ["\\(bu", "2"]);
            roff.text(inline(&item));
        } else if !line.is_empty() {
            let begins_something = |line: &str| {
                line.is_empty() || ["- ", "|", "```", "## "].iter().any(|mark| line.starts_with(mark))
            };
            let more = std::iter::from_fn(|| lines.next_if(|line| !begins_something(line)));
            let paragraph = [line].into_iter().chain(more).collect::<Vec<_>>().join(" ");
            roff.control("PP", []);
            roff.text(inline(&paragraph));
        }
    }
    roff.control("SH", ["SEE ALSO"]).control("BR", ["watchdog", "(1)"]);
    roff.render()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// A row as an entry: its first cell, in brackets those between under the names of their columns, and the last.
fn entry(roff: &mut Roff, header: &[&str], row: &[&str]) {
    let [first, between @ .., last] = row else { return };
    roff.control("TP", []);
    roff.text(inline(first));
    let named: Vec<String> = header
        .iter()
        .skip(1)
        .zip(between)
        .filter(|(_, cell)| !cell.is_empty())
        .map(|(name, cell)| if *name == "form" { (*cell).to_owned() } else { format!("{name}: {cell}") })
        .collect();
    let last = match header.last() {
        Some(&"means") | None => (*last).to_owned(),
        Some(name) => format!("{name}: {last}"),
    };
    let text = if named.is_empty() { last } else { format!("({}) {last}", named.join("; ")) };
    roff.text(inline(&text));
}

/// `code` and **bold** bold, *italic* italic, links as their text.
fn inline(text: &str) -> Vec<Inline> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, marked) = rest.split_at(at);
        let found = ["`", "**", "*"].iter().find_map(|mark| {
            let (inside, after) = marked.strip_prefix(mark)?.split_once(mark)?;
            let inside = inside.to_owned();
            Some((if *mark == "*" { italic(inside) } else { bold(inside) }, after))
        });
        let link = || {
            let (shown, after) = marked.strip_prefix('[')?.split_once("](")?;
            Some((roman(shown.trim_matches('`')), after.split_once(')')?.1))
        };
        out.push(roman(before));
        // A mark without its other half stands for itself.
        let alone = || {
            let (one, after) = marked.split_at(1);
            (roman(one), after)
        };
        let (shown, after) = found.or_else(link).unwrap_or_else(alone);
        out.push(shown);
        rest = after;
    }
    out.push(roman(rest));
    out
}

/// Capitals, but for what is `code`.
fn capitals(heading: &str) -> String {
    let part = |(at, part): (usize, &str)| if at % 2 == 0 { part.to_uppercase() } else { part.to_owned() };
    heading.split('`').enumerate().map(part).collect()
}
