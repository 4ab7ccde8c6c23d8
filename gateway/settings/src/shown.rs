//! Text of others, fit to be shown: what a terminal would obey is escaped, what looks like
//! a secret is starred out.
//!
//! What always holds of text that was made [`fit`]: it has no control character but line
//! breaks and tabs, none that reorders what stands beside it, no user or password of a URL, no value
//! of a query, and nothing after a name that says that a secret follows.

use std::borrow::Cow;
use std::ops::Range;

/// What stands in place of a secret.
const STARS: &str = "***";

/// Words in the name of a key whose value is nobody's business.
const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "authorization",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "access-key",
    "private_key",
    "private-key",
];

/// Shortest word that looks like a secret by itself.
const SHORTEST_SECRET: usize = 12;

/// Longest word that, for all its mixture, still reads as a name.
const LONGEST_NAME: usize = 24;

/// Text that was made fit to be shown, and where its bytes went.
pub struct Fit<'t> {
    /// What to show.
    pub text: Cow<'t, str>,
    /// Stretches that were replaced: where each was, and where its replacement is.
    moved: Vec<(Range<usize>, Range<usize>)>,
}

/// `text`, fit to be shown.
pub fn fit(text: &str) -> Cow<'_, str> {
    fit_with_places(text).text
}

/// The same; places in `text` can be looked up in it.
pub fn fit_with_places(text: &str) -> Fit<'_> {
    let mut replaced: Vec<(Range<usize>, String)> = secrets(text)
        .into_iter()
        .map(|at| (at, STARS.to_owned()))
        .collect();
    let hidden = |at: usize| replaced.iter().any(|(secret, _)| secret.contains(&at));
    let escaped: Vec<_> = text
        .char_indices()
        .filter(|(at, c)| is_unfit(*c) && !hidden(*at))
        .map(|(at, c)| (at..at + c.len_utf8(), c.escape_unicode().to_string()))
        .collect();
    if replaced.is_empty() && escaped.is_empty() {
        return Fit {
            text: Cow::Borrowed(text),
            moved: Vec::new(),
        };
    }
    replaced.extend(escaped);
    replaced.sort_by_key(|(at, _)| at.start);
    let (mut shown, mut moved, mut done) = (String::new(), Vec::new(), 0);
    for (at, instead) in replaced {
        shown.push_str(&text[done..at.start]);
        let begins = shown.len();
        shown.push_str(&instead);
        done = at.end;
        moved.push((at, begins..shown.len()));
    }
    shown.push_str(&text[done..]);
    Fit {
        text: Cow::Owned(shown),
        moved,
    }
}

impl Fit<'_> {
    /// The stretch that shows what `span` showed of the text as it was.
    pub fn span(&self, span: Range<usize>) -> Range<usize> {
        self.place(span.start, false)..self.place(span.end, true)
    }

    /// Where the byte at `at` is now; one that was replaced is at its replacement's begin or end.
    fn place(&self, at: usize, end: bool) -> usize {
        let before = self.moved.iter().rev().find(|(was, _)| was.start < at);
        match before {
            None => at,
            Some((was, now)) if at >= was.end => now.end + (at - was.end),
            Some((_, now)) if end => now.end,
            Some((_, now)) => now.start,
        }
    }
}

/// Whether a terminal, or a reader, would be misled by it: control characters, but for what
/// breaks lines, and what is invisible or turns the direction of writing.
fn is_unfit(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    );
    (c.is_control() && !matches!(c, '\n' | '\t')) || invisible
}

/// Where secrets are, in order and apart from each other.
fn secrets(text: &str) -> Vec<Range<usize>> {
    let mut found = userinfos(text);
    found.extend(queries(text));
    found.extend(named(text));
    found.extend(words(text));
    found.retain(|at| !at.is_empty() && &text[at.clone()] != STARS);
    found.sort_by_key(|at| (at.start, at.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for at in found {
        match apart.last_mut().filter(|last| at.start <= last.end) {
            Some(last) => last.end = last.end.max(at.end),
            None => apart.push(at),
        }
    }
    apart
}

/// The end of the word that begins at `from`: what quotes, spaces and `others` end.
fn word_end(text: &str, from: usize, others: &[char]) -> usize {
    let ends = |c: char| matches!(c, ' ' | '\t' | '\n' | '"' | '\'' | '`') || others.contains(&c);
    text[from..].find(ends).map_or(text.len(), |end| from + end)
}

/// `user:password` in `scheme://user:password@host`.
fn userinfos(text: &str) -> Vec<Range<usize>> {
    let authority = |at: usize| {
        let begins = at + "://".len();
        let ends = word_end(text, begins, &['/', '?', '#']);
        let at_sign = text[begins..ends].rfind('@')?;
        Some(begins..begins + at_sign)
    };
    let schemes = text.match_indices("://");
    schemes.filter_map(|(at, _)| authority(at)).collect()
}

/// The values in `?name=value&name=value`. A parameter in braces is a name, and stays.
fn queries(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('?') {
        let (begins, ends) = (at + 1, word_end(text, at + 1, &['#']));
        let mut from = begins;
        for pair in text[begins..ends].split(['&', ';']) {
            if let Some(equals) = pair.find('=') {
                let value = from + equals + 1..from + pair.len();
                if !is_parameter(&text[value.clone()]) {
                    found.push(value);
                }
            }
            from += pair.len() + 1;
        }
    }
    found
}

/// Whether it is one parameter of a path, `{id}`, and nothing else.
pub fn is_parameter(value: &str) -> bool {
    let inner = value.strip_prefix('{').and_then(|v| v.strip_suffix('}'));
    inner.is_some_and(|name| !name.contains(['{', '}']))
}

/// What a key with a telling name is set to: `token = "…"`, `TOKEN=…`.
fn named(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('=') {
        let before = text[..at].trim_end_matches([' ', '\t', '"', '\'']);
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let rest = before.trim_end_matches(is_name);
        let name = before[rest.len()..].to_ascii_lowercase();
        let telling = SECRET_NAMES.iter().any(|word| name.contains(word));
        // A file's name is where a secret is, not the secret. Queries are looked at by themselves.
        if telling && !name.ends_with("file") && !rest.ends_with(['?', '&', ';']) {
            let value = text[at + 1..].trim_start_matches([' ', '\t']);
            found.push(value_at(text, text.len() - value.len()));
        }
    }
    found
}

/// The value that begins at `from`: what is between its quotes, or the word.
fn value_at(text: &str, from: usize) -> Range<usize> {
    let line_end = text[from..].find('\n').map_or(text.len(), |end| from + end);
    let line = &text[from..line_end];
    let Some(quote) = line.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        return from..word_end(text, from, &[',']);
    };
    let mut escaped = false;
    let closes = |(_, c): &(usize, char)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && quote == '"' && !escaped;
        closes
    };
    let end = line.char_indices().skip(1).find(closes);
    from + 1..end.map_or(line_end, |(end, _)| from + end)
}

/// Words that look like secrets by themselves, outside of names.
fn words(text: &str) -> Vec<Range<usize>> {
    let ends = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-');
    let mut found = Vec::new();
    let mut begins = 0;
    for piece in text.split_inclusive(ends) {
        let word = piece.trim_end_matches(ends);
        if word.len() > LONGEST_NAME && looks_secret(word) {
            found.push(begins..begins + word.len());
        }
        begins += piece.len();
    }
    found
}

/// Whether a word is mixed as keys and passwords are: capitals, small letters and digits.
pub fn looks_secret(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    word.len() >= SHORTEST_SECRET
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        for (text, shown) in [
            ("plain, with\ttabs\nand é", "plain, with\ttabs\nand é"),
            ("a\u{1b}[31mb\r\u{7}", "a\\u{1b}[31mb\\u{d}\\u{7}"),
            ("\u{9b}31m\u{7f}", "\\u{9b}31m\\u{7f}"),
            ("abc\u{202e}fed\u{2066}", "abc\\u{202e}fed\\u{2066}"),
        ] {
            assert_eq!(fit(text), shown);
        }
    }

    #[test]
    fn secrets_are_starred_out_and_what_they_are_called_is_not() {
        for (text, shown) in [
            (
                "url = \"http://me:hush@pricing:80/a\"",
                "url = \"http://***@pricing:80/a\"",
            ),
            (
                "http://me@host, http://host/a@b",
                "http://***@host, http://host/a@b",
            ),
            (
                "path = \"/x/{id}?token=hush&k={id}&flag\"",
                "path = \"/x/{id}?token=***&k={id}&flag\"",
            ),
            ("path = '/x?a=hush{id}#f'", "path = '/x?a=***#f'"),
            (
                "db_password = \"hush # hush\" # a note",
                "db_password = \"***\" # a note",
            ),
            ("X_API_KEY=hush, more", "X_API_KEY=***, more"),
            ("\"token\"=\"hush", "\"token\"=\"***"),
            ("token_file = \"/run/token\"", "token_file = \"/run/token\""),
            ("token = \"a\\\"hush\" # \"", "token = \"***\" # \""),
            (
                "write `secret = \"hush\"`: so",
                "write `secret = \"***\"`: so",
            ),
            ("sk_live_4eC39HqLyjWDarjtT1zdp7dc is it", "*** is it"),
            (
                "identify_by = \"header:x-api-key\"",
                "identify_by = \"header:x-api-key\"",
            ),
            ("did you mean? a = 5 or b=6", "did you mean? a = 5 or b=6"),
        ] {
            assert_eq!(fit(text), shown);
        }
    }

    #[test]
    fn places_are_found_again() {
        let text = "a\u{1b}b = \"http://me:hush@pricing\" # é";
        let fit = fit_with_places(text);
        for word in ["b = ", "@pricing\"", "é", "http"] {
            let at = text.find(word).unwrap();
            let span = fit.span(at..at + word.len());
            assert_eq!(&fit.text[span], word);
        }
        let escape = text.find('\u{1b}').unwrap();
        assert_eq!(&fit.text[fit.span(escape..escape + 1)], "\\u{1b}");
        let inside = text.find("hush").unwrap();
        assert_eq!(&fit.text[fit.span(inside..inside + 2)], "***");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_made_fit_and_its_places_are_found(
            text in "(\\PC|[\\x00-\\x7f]|[=?&@\"']|://|token){0,40}",
            at in 0_usize..100,
            length in 0_usize..100,
        ) {
            let fit = fit_with_places(&text);
            proptest::prop_assert!(!fit.text.chars().any(is_unfit));
            let begins = text.floor_char_boundary(at);
            let ends = text.floor_char_boundary(begins + length).max(begins);
            let span = fit.span(begins..ends);
            proptest::prop_assert!(fit.text.get(span).is_some());
        }

        #[test]
        fn no_secret_is_shown_whatever_stands_around_it(
            before in "(\\PC|[\\x00-\\x7f]){0,20}",
            after in "(\\PC|[\\x00-\\x7f]){0,20}",
            line in 0_usize..4,
        ) {
            let line = [
                "api_token = \"hush\"",
                "url = 'https://me:hush@host/a'",
                "path = \"/x/{id}?k={id}&key=hush&flag\"",
                "write `DB_PASSWORD=hush`",
            ][line];
            let text = format!("{before}\n{line}\n{after}");
            proptest::prop_assume!(text.matches("hush").count() == 1);
            proptest::prop_assert!(!fit(&text).contains("hush"));
        }
    }
}
