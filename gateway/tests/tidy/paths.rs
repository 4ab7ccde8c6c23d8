//! The paths that a file names: `a::b`, and each of `use a::{b, c::{d, e as f}}`.
//!
//! Read as tokens, not as Rust: what is in texts is not read, a name that is not followed by `::`
//! is no path. Where a name leads is not known here; see `graph`.

/// A path as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its segments; `*` is the last of one that takes everything.
    pub(crate) path: Vec<String>,
    /// Of a `use`: the name it has in this file.
    pub(crate) name: Option<String>,
    /// Of a `use`: whether it only passes the name on.
    pub(crate) passed_on: bool,
    /// Its line, counted from 1.
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

/// All paths of a file, in order.
pub(crate) fn paths(code: &str) -> Vec<Named> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let before = at;
        if is_word(&tokens, at, "use") {
            let mut reader = Reader::new(&tokens, at + 1);
            reader.tree(&mut Vec::new(), &mut found, Some(is_public(&tokens, at)));
            at = reader.at;
        } else if starts_path(&tokens, at) {
            let mut reader = Reader::new(&tokens, at);
            reader.tree(&mut Vec::new(), &mut found, None);
            at = reader.at;
        }
        at = at.max(before + 1);
    }
    found
}

type Spot = (Token, usize);

fn is_word(tokens: &[Spot], at: usize, word: &str) -> bool {
    matches!(tokens.get(at), Some((Token::Word(found), _)) if found == word)
}

/// A word that is followed by `::` and follows neither one itself nor the `in` of a visibility.
fn starts_path(tokens: &[Spot], at: usize) -> bool {
    let is_colons = |at: usize| matches!(tokens.get(at), Some((Token::Colons, _)));
    let is_visibility =
        at > 1 && is_word(tokens, at - 1, "in") && tokens[at - 2].0 == Token::Other('(');
    let is_inside = at > 0 && is_colons(at - 1);
    matches!(tokens[at].0, Token::Word(_)) && is_colons(at + 1) && !is_inside && !is_visibility
}

/// `pub use`, `pub(crate) use` and `pub(in a::b) use`.
fn is_public(tokens: &[Spot], at: usize) -> bool {
    if at > 0 && tokens[at - 1].0 == Token::Other(')') {
        let opens = tokens[..at]
            .iter()
            .rposition(|(token, _)| *token == Token::Other('('));
        return opens.is_some_and(|opens| opens > 0 && is_word(tokens, opens - 1, "pub"));
    }
    at > 0 && is_word(tokens, at - 1, "pub")
}

struct Reader<'a> {
    tokens: &'a [Spot],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(tokens: &'a [Spot], at: usize) -> Self {
        Self { tokens, at }
    }

    fn token(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// One path, or those in braces; `used` is whether a `use` passes it on.
    fn tree(&mut self, path: &mut Vec<String>, found: &mut Vec<Named>, used: Option<bool>) {
        let depth = path.len();
        let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        loop {
            match self.token() {
                Some(Token::Word(word)) => path.push(word.clone()),
                Some(Token::Other('*')) if used.is_some() => path.push("*".to_owned()),
                Some(Token::Other('{')) if used.is_some() => {
                    self.group(path, found, used);
                    path.truncate(depth);
                    return;
                }
                // A turbofish, or the end of something else.
                _ => break,
            }
            self.at += 1;
            if self.token() != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        let name = used.and_then(|_| self.name(path));
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        found.push(Named {
            path: path.clone(),
            name,
            passed_on: used == Some(true),
            line,
        });
        path.truncate(depth);
    }

    fn group(&mut self, path: &mut Vec<String>, found: &mut Vec<Named>, used: Option<bool>) {
        self.at += 1;
        while let Some(token) = self.token() {
            match token {
                Token::Other('}') => {
                    self.at += 1;
                    return;
                }
                Token::Other(',') => self.at += 1,
                Token::Word(_) | Token::Colons | Token::Other(_) => {
                    let before = self.at;
                    self.tree(path, found, used);
                    self.at = self.at.max(before + 1);
                }
            }
        }
    }

    /// What a used path is called here: its last segment, or what follows `as`.
    fn name(&mut self, path: &[String]) -> Option<String> {
        if is_word(self.tokens, self.at, "as") {
            self.at += 1;
            let named = match self.token() {
                Some(Token::Word(name)) => Some(name.clone()),
                _ => None,
            };
            self.at += 1;
            return named;
        }
        let last = path.iter().rev().find(|segment| *segment != "self");
        last.filter(|last| *last != "*").cloned()
    }
}

fn tokens(code: &str) -> Vec<Spot> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut rest = code.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let tail = &code[at..];
        let (token, length) = match c {
            '\n' => {
                line += 1;
                continue;
            }
            c if c.is_whitespace() => continue,
            _ if raw_text(tail).is_some() => (None, raw_text(tail).unwrap()),
            '"' => (None, text(tail)),
            '\'' => (None, character(tail)),
            ':' if tail.starts_with("::") => (Some(Token::Colons), 2),
            c if is_word_part(c) => {
                let end = tail.find(|c| !is_word_part(c)).unwrap_or(tail.len());
                (Some(Token::Word(tail[..end].to_owned())), end)
            }
            '/' if tail.starts_with("//") => (None, tail.find('\n').unwrap_or(tail.len())),
            c => (Some(Token::Other(c)), c.len_utf8()),
        };
        found.extend(token.map(|token| (token, line)));
        line += tail[..length].matches('\n').count();
        while rest.peek().is_some_and(|(next, _)| *next < at + length) {
            rest.next();
        }
    }
    found
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the raw text is that this begins with.
fn raw_text(tail: &str) -> Option<usize> {
    let inner = tail.strip_prefix('b').unwrap_or(tail).strip_prefix('r')?;
    let hashes = inner.find(|c| c != '#')?;
    let content = inner[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let begins = tail.len() - content.len();
    Some(begins + content.find(&close)? + close.len())
}

/// How long the text in quotes is that this begins with.
fn text(tail: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in tail.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    tail.len()
}

/// How long the character is that this begins with; of a lifetime, its tick.
fn character(tail: &str) -> usize {
    let mut inner = tail.char_indices().skip(1);
    match inner.next() {
        Some((_, '\\')) => {
            // What is escaped is no end.
            inner.next();
            inner.find(|(_, c)| *c == '\'').map_or(1, |(at, _)| at + 1)
        }
        Some(_) => match inner.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(code: &str) -> Vec<String> {
        let paths = paths(code);
        paths.iter().map(|named| named.path.join("::")).collect()
    }

    #[test]
    fn every_path_in_braces_is_read() {
        let code = "use a::{b, c::{self, d as e}, f::*};\nlet x = g::h::<i::J>(k);";
        assert_eq!(
            read(code),
            ["a::b", "a::c", "a::c::d", "a::f::*", "g::h", "i::J"]
        );
        let names = paths(code).into_iter().filter_map(|named| named.name);
        assert_eq!(names.collect::<Vec<_>>(), ["b", "c", "e"]);
    }

    #[test]
    fn what_is_in_texts_is_not_read() {
        let code = "\"a::b \\\" a::b\"; r#\"a::\"b\"#; '\"'; c::d; '\\''; e::f::<'a>(\"x\")";
        assert_eq!(read(code), ["c::d", "e::f"]);
    }

    #[test]
    fn who_may_see_a_name_is_not_read() {
        assert_eq!(read("pub(in a::b) fn f(c: d::E)"), ["d::E"]);
    }

    #[test]
    fn a_use_that_passes_on_is_told_from_one_that_uses() {
        let passed = |code| paths(code).iter().any(|named| named.passed_on);
        assert!(passed("pub use a::b;") && passed("pub(in c::d) use a::b;"));
        assert!(passed("pub(crate) use a::{b, c};"));
        assert!(!passed("use a::b;") && !passed("f(x) use a::b;"));
    }

    #[test]
    fn lines_are_those_of_the_code() {
        let lines = paths("\n\"x\ny\"\n a::b")
            .into_iter()
            .map(|named| named.line);
        assert_eq!(lines.collect::<Vec<_>>(), [4]);
    }
}
