//! Where everything stands on the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use super::chart;
use super::columns::cut;
use super::looks::{ACCENT, BAD, CHOSEN, SOFT, STRONG};
use super::sections;
use super::state::{Found, Over, Panel, Top};
use crate::admin::console::snapshot::Snapshot;
use crate::command::waterfall;

/// Where there is less room than this, a sentence says so.
const LEAST: (u16, u16) = (60, 16);

/// Rows of the chart on a small screen, and on a large one.
const CHART: (usize, usize) = (3, 12);

/// Rows that the lower part has at least.
const PANEL: usize = 5;

const KEYS: &str = "q quit  tab list  ↑↓ choose  enter open  p pause  ? help";

/// Draws all of it.
pub(super) fn draw(top: &Top, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let words = format!(
            "{} columns and {} rows are too few: {} and {} are needed",
            area.width, area.height, LEAST.0, LEAST.1
        );
        return show(frame, area, vec![Line::raw(words)]);
    }
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let mut lines = match &top.snapshot {
        Some(snapshot) => upper(top, snapshot, width, height),
        None => vec![Line::styled(nothing_yet(top), SOFT)],
    };
    let left = height.saturating_sub(lines.len() + 1);
    if let Some(snapshot) = &top.snapshot {
        lines.extend(lower(top, snapshot, width, left));
    }
    let footer = footer(top, width);
    lines.resize(height - footer.len(), Line::default());
    lines.extend(footer);
    show(frame, area, lines);
    match &top.over {
        Some(Over::Help) => over(frame, area, "Help", help()),
        Some(Over::Page { id, found, from }) => {
            let lines = opened(found, width).into_iter().skip(*from).collect();
            over(frame, area, &format!("Page {id}"), lines);
        }
        None => {}
    }
    if !top.colours {
        for cell in &mut frame.buffer_mut().content {
            (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
        }
    }
}

fn show(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>) {
    frame.render_widget(Paragraph::new(lines), area);
}

fn nothing_yet(top: &Top) -> &'static str {
    match top.away {
        Some(_) => "no gateway was reached yet",
        None => "the first second is being measured",
    }
}

/// Everything above the list.
fn upper(top: &Top, snapshot: &Snapshot, width: usize, height: usize) -> Vec<Line<'static>> {
    let mut lines = vec![sections::title(snapshot, &link(top), width)];
    lines.extend(sections::headline(snapshot, width));
    lines.extend(sections::pages(snapshot, width));
    let downstreams = sections::downstreams(snapshot, width);
    let without_chart = lines.len() + downstreams.len() + 2 + PANEL + 1;
    let room = height.saturating_sub(without_chart + 1);
    let chart_height = room.saturating_sub(4).clamp(CHART.0, CHART.1);
    if room > CHART.0 {
        let points: Vec<_> = top.points.iter().copied().collect();
        let changes = snapshot.changes.iter();
        let changes: Vec<_> = changes
            .map(|change| (change.at_ms, change.outcome == "refused"))
            .collect();
        lines.extend(chart::bars(
            &points,
            &changes,
            snapshot.at_ms,
            width,
            chart_height,
        ));
    }
    lines.extend(downstreams);
    lines.push(sections::own(snapshot, width));
    let most = height.saturating_sub(PANEL + 2);
    if lines.len() > most {
        lines.truncate(most.saturating_sub(1));
        lines.push(Line::styled(
            "more than fits: a larger terminal shows all",
            SOFT,
        ));
    }
    lines
}

/// The chosen list, under the names of all.
fn lower(top: &Top, snapshot: &Snapshot, width: usize, room: usize) -> Vec<Line<'static>> {
    let mut names = Vec::new();
    for panel in Panel::ALL {
        let count = match panel {
            Panel::Refused => snapshot.refusals.len(),
            Panel::InFlight => snapshot.in_flight.len(),
            Panel::Slow => snapshot.slow.len(),
            Panel::Changes => snapshot.changes.len(),
        };
        let words = format!(" {} {count} ", panel.title());
        names.push(match panel == top.panel {
            true => Span::styled(format!("[{}]", words.trim()), STRONG.patch(ACCENT)),
            false => Span::styled(words, SOFT),
        });
        names.push(Span::raw(" "));
    }
    let list = match top.panel {
        Panel::Refused => sections::refusals(snapshot, width),
        Panel::InFlight => sections::in_flight(snapshot, width),
        Panel::Slow => sections::slow(snapshot, width),
        Panel::Changes => sections::changes(snapshot, width),
    };
    let mut lines = vec![Line::from(names)];
    lines.extend(window(
        list,
        top.chosen_row(),
        room.saturating_sub(1),
        width,
    ));
    lines
}

/// The part of a list that has the chosen row; its header stays.
fn window(
    list: Vec<Line<'static>>,
    chosen: Option<usize>,
    room: usize,
    width: usize,
) -> Vec<Line<'static>> {
    let Some(chosen) = chosen else {
        return list.into_iter().take(room).collect();
    };
    let rows = room.saturating_sub(1);
    let first = (chosen + 1).saturating_sub(rows);
    let mut list = list.into_iter();
    let mut shown: Vec<Line<'static>> = list.next().into_iter().collect();
    for (nth, line) in list.enumerate().skip(first).take(rows) {
        shown.push(match nth == chosen {
            true => Line::styled(format!("{:<width$}", line.to_string()), CHOSEN),
            false => line,
        });
    }
    shown
}

/// What is known of the connection.
fn link(top: &Top) -> String {
    match (&top.away, top.paused) {
        (Some(_), _) => "NOT CONNECTED".into(),
        (None, true) => "PAUSED".into(),
        (None, false) => "live".into(),
    }
}

/// The keys; or why there are no newer figures.
fn footer(top: &Top, width: usize) -> Vec<Line<'static>> {
    match &top.away {
        Some(why) => {
            let lines = sections::in_lines(why, width, 2).into_iter();
            lines.map(|line| Line::styled(line, BAD)).collect()
        }
        None => vec![Line::styled(cut(KEYS, width), SOFT)],
    }
}

/// Rows of an opened page on a screen of this height.
pub(super) fn rows_of_opened(height: usize) -> usize {
    height.saturating_sub(4)
}

/// An opened page on a screen of this width.
pub(super) fn opened(found: &Found, width: usize) -> Vec<Line<'static>> {
    match found {
        Found::NotYet => vec![Line::styled("asking the gateway", SOFT)],
        Found::Nothing(why) => vec![Line::styled(why.clone(), BAD)],
        Found::Page(page) => waterfall::lines(page, width.saturating_sub(2))
            .into_iter()
            .map(Line::raw)
            .collect(),
    }
}

/// A box over the middle.
fn over(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'static>>) {
    let wanted = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let height = wanted.clamp(8, area.height.saturating_sub(2));
    let width = area.width;
    let area = Rect {
        x: 0,
        y: (area.height - height) / 2,
        width,
        height,
    };
    let title = cut(
        &format!(" {title}: esc closes, ↑↓ scroll "),
        usize::from(width.saturating_sub(2)),
    );
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(title).border_style(ACCENT);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn help() -> Vec<Line<'static>> {
    [
        "q, Ctrl-C   quit",
        "tab, ← →    the next or the previous list",
        "↑ ↓, k j    choose a page of the list, or scroll",
        "enter       open the chosen page as a waterfall",
        "esc         close what is open; quit",
        "p           pause: figures stand still, and nothing is lost",
        "",
        "The chart: a bar for each second. Full is good pages, dotted is owed and not",
        "good. Below it ^ is a change that was applied, x one that was refused.",
        "Percentiles and refusals are of the last 10 s, rates of the last second.",
        "p99 of a page counts those that were let in: refusals would pull it down.",
    ]
    .map(Line::raw)
    .to_vec()
}

/// Everything, list after list, for `--once`.
pub(super) fn plain(snapshot: &Snapshot, width: usize) -> String {
    let mut lines = vec![sections::title(snapshot, "", width)];
    lines.extend(sections::headline(snapshot, width));
    lines.push(sections::own(snapshot, width));
    let lists: [(&str, Vec<Line<'static>>); 6] = [
        ("Pages", sections::pages(snapshot, width)),
        ("Downstreams", sections::downstreams(snapshot, width)),
        ("Refused", sections::refusals(snapshot, width)),
        ("In flight", sections::in_flight(snapshot, width)),
        ("Slow", sections::slow(snapshot, width)),
        ("Changes", sections::changes(snapshot, width)),
    ];
    for (title, list) in lists {
        lines.push(Line::default());
        lines.push(Line::raw(title));
        lines.extend(list);
    }
    let text = lines
        .iter()
        .map(|line| format!("{}\n", line.to_string().trim_end()));
    text.collect()
}
