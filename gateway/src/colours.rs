//! Whether what is printed for people has colours.
//!
//! What always holds: a file or a pipe gets none, nor does a person who does not want them
//! (`NO_COLOR`, <https://no-color.org>).

use std::ffi::OsStr;
use std::io::IsTerminal;

/// Whether to colour what is written to `stream`.
pub fn wanted_on(stream: &impl IsTerminal) -> bool {
    wanted(
        stream.is_terminal(),
        std::env::var_os("NO_COLOR").as_deref(),
    )
}

/// An empty variable is as good as none.
fn wanted(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_has_colours_and_only_without_no_color() {
        let value = |text| Some(OsStr::new(text));
        assert!(wanted(true, None));
        assert!(wanted(true, value("")));
        assert!(!wanted(true, value("1")));
        assert!(!wanted(true, value("0")));
        assert!(!wanted(false, None));
    }
}
