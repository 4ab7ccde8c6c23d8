//! How far a run is, for whoever looks.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::wall;

/// A run that is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(2);

/// A bar on stderr, once a run has lasted [`PATIENCE`]; on a terminal only.
pub(crate) struct Progress {
    started: Instant,
    bar: ProgressBar,
}

const STEPS: u64 = 1000;

impl Progress {
    pub(crate) fn new(title: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::hidden());
        // A template that does not parse leaves the default one.
        if let Ok(style) =
            ProgressStyle::with_template("{wide_msg} [{bar:30}] {percent:>3}% {eta:>4}")
        {
            bar.set_style(style);
        }
        bar.set_message(title.to_owned());
        Self {
            started: wall(),
            bar,
        }
    }

    /// `done` of 1.
    pub(crate) fn show(&self, done: f64) {
        if self.bar.is_hidden() && self.started.elapsed() >= PATIENCE {
            // Hidden still, if stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position((done * STEPS as f64) as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
