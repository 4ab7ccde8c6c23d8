//! What is wrong with a file before it is TOML.
//!
//! The parser's words are kept, for people who know TOML; the help beside them is
//! for those who just forgot the quotes.

use toml::Spanned;
use toml::de::{DeTable, Error};

use crate::report::{Fault, Mark, Severity};

/// How the parser calls a key that stands twice: the one error that leaves the rest readable.
const DUPLICATE: &str = "duplicate key";

/// The file as far as it is TOML, where it is not, and whether the rest is worth reading; `header` is
/// a section that such a file may have, for an example.
pub fn parse<'t>(text: &'t str, header: &str) -> (Spanned<DeTable<'t>>, Vec<Fault>, bool) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let readable = errors.iter().all(|error| error.message() == DUPLICATE);
    let mut faults: Vec<(usize, Fault)> = errors
        .iter()
        .map(|error| fault(text, error, header))
        .collect();
    // The parser goes on where it stumbled; the rest of that line is the same slip.
    faults.sort_by_key(|(_, fault)| fault.marks.first().map_or(0, |mark| mark.span.start));
    faults.dedup_by_key(|(line, _)| *line);
    (
        table,
        faults.into_iter().map(|(_, fault)| fault).collect(),
        readable,
    )
}

/// The fault and the start of its line.
fn fault(text: &str, error: &Error, header: &str) -> (usize, Fault) {
    let span = error.span().unwrap_or(0..0);
    let start = text[..span.start]
        .rfind('\n')
        .map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or("").trim();
    let title = match error.message() {
        DUPLICATE => format!("`{}` is written a second time here", &text[span.clone()]),
        other => format!("not TOML: {}", other.replace('\n', ", ")),
    };
    let help = Some(help(error.message(), line, header));
    let marks = vec![Mark {
        span,
        label: String::new(),
    }];
    (
        start,
        Fault {
            severity: Severity::Error,
            title,
            marks,
            note: None,
            help,
        },
    )
}

/// Quotes that word processors and other languages write, and backquotes.
const TYPOGRAPHIC: &[char] = &[
    '\u{2018}', '\u{2019}', '\u{201a}', '\u{201b}', '\u{201c}', '\u{201d}', '\u{201e}', '\u{201f}',
    '\u{2032}', '\u{2033}', '\u{2039}', '\u{203a}', '\u{ab}', '\u{bb}', '`',
];

/// A number or a truth value as TOML writes it, if the value is one in another notation.
fn meant(value: &str) -> Option<String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => return Some("true".to_owned()),
        "false" | "no" | "off" => return Some("false".to_owned()),
        _ => {}
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let grouped: String = value.split([',', '_', ' ', '\'']).collect();
    if !grouped.is_empty() && digits(&grouped) {
        let number = grouped.trim_start_matches('0');
        return Some(if number.is_empty() { "0" } else { number }.to_owned());
    }
    let (whole, fraction) = value.split_once('.')?;
    let is_number = digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0;
    let or_zero = |text: &str| if text.is_empty() { "0" } else { text }.to_owned();
    let whole = or_zero(whole.trim_start_matches('0'));
    is_number.then(|| format!("{whole}.{}", or_zero(fraction)))
}

/// What to do about it, judged by the line as much as by the error.
fn help(message: &str, line: &str, header: &str) -> String {
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    let (key, value) = (key.trim(), value.trim());
    let unquoted = value.trim_matches(TYPOGRAPHIC);
    let bare =
        !value.is_empty() && !value.contains(['"', '\'', '[', ']', '{', '}', '#', '=', '\\']);
    if message == DUPLICATE {
        "it is already there, further up; keep one of them".to_owned()
    } else if line.contains('=') && value.is_empty() {
        format!("write a value after `{key} =`")
    } else if message.contains("escape") {
        "between single quotes a backslash is only a backslash: '^\\d+$'".to_owned()
    } else if message.contains("array") {
        "a list is values with commas between them, in brackets: [\"a\", \"b\"]".to_owned()
    } else if message.contains("table") {
        format!("a section is its dotted name in brackets, alone on its line: `[{header}]`")
    } else if bare && let Some(meant) = meant(value) {
        format!("write `{key} = {meant}`")
    } else if bare && unquoted.len() < value.len() {
        format!("write `{key} = \"{unquoted}\"`, with straight quotes")
    } else if bare {
        format!("write `{key} = \"{value}\"`: text, durations and sizes need quotes")
    } else if message.contains("string") {
        "close the quotes on the same line".to_owned()
    } else {
        "write `[section]` or `key = value` on each line; see https://toml.io".to_owned()
    }
}
