//! `gateway top`: the console in a terminal.
//!
//! Owns the terminal from the first picture to the end, whatever ends it: a key, a signal, an error or a defect leave it
//! as it was. What always holds: without a terminal nothing is drawn; a gateway that is gone is said to be, and is shown
//! again when it is back.
//!
//! Not here: what is shown ([`snapshot`](crate::admin::console::snapshot), made by the gateway).

mod chart;
mod columns;
mod draw;
mod link;
mod looks;
mod sections;
mod state;
#[cfg(test)]
mod tests;
mod units;

use std::io::IsTerminal;
use std::pin::{Pin, pin};

use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::state::{Effect, Key, Top};
use super::client::Client;
use super::{CommandError, Target};
use crate::colours;

/// Flags of `gateway top`.
#[derive(Clone, Debug, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    target: Target,
    /// Print one look as text, and end: for scripts, and where there is no terminal.
    #[arg(long)]
    once: bool,
}

/// Columns of a look as text where nothing says how many there are.
const COLUMNS: usize = 100;

/// Shows the gateway until `q` is pressed; prints one look for `--once`.
///
/// # Errors
/// [`CommandError::NoTerminal`], the terminal's errors; for `--once` those of [`Client`].
pub async fn run(flags: &Flags) -> Result<String, CommandError> {
    let client = Client::new(&flags.target)?;
    if flags.once {
        let columns = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok());
        let snapshot = link::one(&client).await?;
        return Ok(draw::plain(&snapshot, columns.unwrap_or(COLUMNS).max(40)));
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(CommandError::NoTerminal);
    }
    // It restores the terminal also when something panics.
    let terminal = ratatui::try_init()?;
    let ended = watch(&client, terminal).await;
    ratatui::restore();
    ended?;
    Ok(String::new())
}

/// A page that is being fetched: its id, and what there is to show of it.
type Fetching<'a> = Pin<Box<dyn Future<Output = (String, Result<Value, String>)> + 'a>>;

async fn watch(client: &Client, mut terminal: ratatui::DefaultTerminal) -> std::io::Result<()> {
    let mut asked_to_end = signal(SignalKind::terminate())?;
    let mut link = pin!(link::follow(client));
    let mut keys = EventStream::new();
    let mut fetching: Option<Fetching<'_>> = None;
    let mut top = Top::new(colours::wanted_on(&std::io::stdout()));
    loop {
        let size = terminal.size()?;
        top.fit(size.width.into(), size.height.into());
        terminal.draw(|frame| draw::draw(&top, frame))?;
        let fetched = async {
            match &mut fetching {
                Some(fetching) => fetching.await,
                None => std::future::pending().await,
            }
        };
        let key = tokio::select! {
            _ = asked_to_end.recv() => return Ok(()),
            Some(event) = link.next() => { top.link(event); None }
            (id, found) = fetched => { fetching = None; top.fetched(&id, found); None }
            event = keys.next() => match event {
                Some(event) => key(&event?),
                // The terminal is gone.
                None => return Ok(()),
            },
        };
        match key.map_or(Effect::Nothing, |key| top.key(key)) {
            Effect::Quit => return Ok(()),
            Effect::Fetch(id) => fetching = Some(Box::pin(fetch(client, id))),
            Effect::Nothing => {}
        }
    }
}

/// What the gateway knows of a page, for people.
async fn fetch(client: &Client, id: String) -> (String, Result<Value, String>) {
    let found = client.view(&format!("/pages/{id}")).await;
    (id, found.map_err(|error| error.to_string()))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys do nothing, also those that there will be"
)]
fn key(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press,
        ..
    }) = event
    else {
        // It is drawn anew in any case: also with another size.
        return None;
    };
    let control = modifiers.contains(KeyModifiers::CONTROL);
    match code {
        KeyCode::Char('c') if control => Some(Key::Quit),
        KeyCode::Char('q') => Some(Key::Quit),
        KeyCode::Char('p' | ' ') => Some(Key::Pause),
        KeyCode::Char('?' | 'h') => Some(Key::Help),
        KeyCode::Tab | KeyCode::Right => Some(Key::Next),
        KeyCode::BackTab | KeyCode::Left => Some(Key::Previous),
        KeyCode::Up | KeyCode::Char('k') => Some(Key::Up),
        KeyCode::Down | KeyCode::Char('j') => Some(Key::Down),
        KeyCode::Enter => Some(Key::Open),
        KeyCode::Esc => Some(Key::Close),
        _ => None,
    }
}
