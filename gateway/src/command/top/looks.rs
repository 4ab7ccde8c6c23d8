//! How things look. Words say it too: without colours nothing is lost.

use ratatui::style::{Color, Modifier, Style};

use crate::admin::console::snapshot::State;

/// Less important than others.
pub(super) const SOFT: Style = Style::new().add_modifier(Modifier::DIM);

/// What is wrong.
pub(super) const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);

/// What a line is about.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// The one accent.
pub(super) const ACCENT: Style = Style::new().fg(Color::Cyan);

/// What the keys act on.
pub(super) const CHOSEN: Style = Style::new().add_modifier(Modifier::REVERSED);

/// The shape of a state, and how it looks.
pub(super) fn of(state: State) -> (char, Style) {
    match state {
        State::Idle => ('○', SOFT),
        State::Good => ('●', ACCENT),
        State::Degraded => ('▲', BAD),
        State::Failing => ('■', BAD),
        State::Draining => ('◆', BAD),
    }
}
