//! What `gateway top` shows and what the keys do to it. Time and events come in; nothing here draws or waits.

use std::collections::VecDeque;

use serde_json::Value;

use super::chart::Point;
use super::draw;
use super::link::LinkEvent;
use crate::admin::console::snapshot::{Page, Snapshot};

/// Points of the chart that are kept: more than any terminal has columns for.
const MOST_POINTS: usize = 600;

/// What the lower part shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Panel {
    #[default]
    Refused,
    InFlight,
    Slow,
    Changes,
}

impl Panel {
    pub(super) const ALL: [Self; 4] = [Self::Refused, Self::InFlight, Self::Slow, Self::Changes];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Refused => "Refused",
            Self::InFlight => "In flight",
            Self::Slow => "Slow",
            Self::Changes => "Changes",
        }
    }
}

/// What lies over everything.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Over {
    Help,
    /// A page: its id, what is known of it, and the first line that is shown.
    Page {
        id: String,
        found: Found,
        from: usize,
    },
}

/// What is known of an opened page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// The gateway was asked.
    NotYet,
    /// As it answered.
    Page(Box<Value>),
    /// Why there is nothing to show.
    Nothing(String),
}

/// A key, as far as it does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Pause,
    Help,
    Next,
    Previous,
    Up,
    Down,
    Open,
    Close,
}

/// What is to be done after a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    Quit,
    /// The page of this id is to be fetched.
    Fetch(String),
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct Top {
    /// Whether there are colours.
    pub(super) colours: bool,
    /// Nothing before the first one.
    pub(super) snapshot: Option<Snapshot>,
    /// Why there are no newer ones, if there are none.
    pub(super) away: Option<String>,
    pub(super) paused: bool,
    pub(super) panel: Panel,
    pub(super) over: Option<Over>,
    pub(super) points: VecDeque<Point>,
    /// What came while it was paused.
    held: Option<Snapshot>,
    /// The chosen page's id, and where it stood: pages come and go.
    chosen: Option<(usize, String)>,
}

impl Top {
    /// Nothing is known yet.
    pub(super) fn new(colours: bool) -> Self {
        Self {
            colours,
            ..Self::default()
        }
    }

    /// The gateway was reached, or could not be.
    pub(super) fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Snapshot(snapshot) => {
                self.away = None;
                self.remember(&snapshot);
                match self.paused {
                    true => self.held = Some(*snapshot),
                    false => self.snapshot = Some(*snapshot),
                }
            }
            LinkEvent::Away(why) => self.away = Some(why),
        }
    }

    fn remember(&mut self, snapshot: &Snapshot) {
        let sum = |of: fn(&Page) -> f64| snapshot.pages.iter().map(of).sum();
        self.points.push_back(Point {
            at_ms: snapshot.at_ms,
            good: sum(|page| page.good_per_s),
            owed: sum(|page| page.owed_per_s),
        });
        if self.points.len() > MOST_POINTS {
            self.points.pop_front();
        }
    }

    /// The screen has this size: what is opened is not scrolled beyond its end.
    pub(super) fn fit(&mut self, width: usize, height: usize) {
        if let Some(Over::Page { found, from, .. }) = &mut self.over {
            let lines = draw::opened(found, width).len();
            *from = (*from).min(lines.saturating_sub(draw::rows_of_opened(height)));
        }
    }

    /// A page was fetched, or could not be: what is to be shown of it.
    pub(super) fn fetched(&mut self, of: &str, answer: Result<Value, String>) {
        if let Some(Over::Page { id, found, .. }) = &mut self.over
            && id == of
        {
            *found = match answer {
                Ok(mut pages) => Found::Page(Box::new(pages["pages"][0].take())),
                Err(why) => Found::Nothing(why),
            };
        }
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key) -> Effect {
        if self.over.is_some() {
            return self.key_over(key);
        }
        match key {
            Key::Quit | Key::Close => return Effect::Quit,
            Key::Pause => self.pause(),
            Key::Help => self.over = Some(Over::Help),
            Key::Next => self.turn(1),
            Key::Previous => self.turn(Panel::ALL.len() - 1),
            Key::Up => self.choose(|at| at.saturating_sub(1)),
            Key::Down => self.choose(|at| at + 1),
            Key::Open => return self.open(),
        }
        Effect::Nothing
    }

    fn key_over(&mut self, key: Key) -> Effect {
        match (key, &mut self.over) {
            (Key::Up, Some(Over::Page { from, .. })) => *from = from.saturating_sub(1),
            (Key::Down, Some(Over::Page { from, .. })) => *from += 1,
            (Key::Pause, _) => self.pause(),
            (Key::Next | Key::Previous | Key::Up | Key::Down, _) => {}
            (Key::Quit | Key::Close | Key::Open | Key::Help, _) => self.over = None,
        }
        Effect::Nothing
    }

    fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused
            && let Some(held) = self.held.take()
        {
            self.snapshot = Some(held);
        }
    }

    fn turn(&mut self, by: usize) {
        let all = Panel::ALL;
        self.panel = all[(self.panel as usize + by) % all.len()];
        self.chosen = None;
    }

    /// Ids of the pages that the panel lists.
    fn ids(&self) -> Vec<&str> {
        let Some(snapshot) = &self.snapshot else {
            return Vec::new();
        };
        match self.panel {
            Panel::InFlight => snapshot
                .in_flight
                .iter()
                .map(|page| page.id.as_str())
                .collect(),
            Panel::Slow => snapshot.slow.iter().map(|page| page.id.as_str()).collect(),
            Panel::Refused | Panel::Changes => Vec::new(),
        }
    }

    /// Which row is chosen: where the chosen page is now, or else where it was.
    pub(super) fn chosen_row(&self) -> Option<usize> {
        let ids = self.ids();
        let last = ids.len().checked_sub(1)?;
        let Some((at, chosen)) = &self.chosen else {
            return Some(0);
        };
        let now = ids.iter().position(|id| id == chosen);
        Some(now.unwrap_or(*at).min(last))
    }

    fn choose(&mut self, to: impl FnOnce(usize) -> usize) {
        let Some(now) = self.chosen_row() else {
            return;
        };
        let ids = self.ids();
        let at = to(now).min(ids.len() - 1);
        self.chosen = Some((at, ids[at].to_owned()));
    }

    fn open(&mut self) -> Effect {
        let Some(at) = self.chosen_row() else {
            return Effect::Nothing;
        };
        let id = self.ids()[at].to_owned();
        self.chosen = Some((at, id.clone()));
        self.over = Some(Over::Page {
            id: id.clone(),
            found: Found::NotYet,
            from: 0,
        });
        Effect::Fetch(id)
    }
}
