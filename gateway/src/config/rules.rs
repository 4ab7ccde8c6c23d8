//! Rules between sections: the errors no section can find alone.

use super::file::Draft;
use super::load::nothing_to_serve;
use super::problem::Problem;
use super::reader::Ledger;
use super::report::{Fault, Severity};
use super::variables;
use super::{Config, Page};

/// Finds what is wrong between sections.
pub(super) fn errors(draft: &Draft, ledger: &mut Ledger) {
    if draft.pages.is_empty() {
        ledger.faults.push(nothing_to_serve());
    }
    listeners_differ(draft, ledger);
    pages_do_not_overlap(draft, ledger);
    pages_can_be_admitted(draft, ledger);
    variables_found_their_keys(ledger);
}

fn error(ledger: &mut Ledger, path: &str, problem: Problem) {
    ledger.fault(Severity::Error, path, problem);
}

fn listeners_differ(draft: &Draft, ledger: &mut Ledger) {
    let (Some(server), Some(admin)) = (&draft.server, &draft.admin) else {
        return;
    };
    let (public, private) = (server.listen, admin.listen);
    let same_host = public.ip() == private.ip()
        || public.ip().is_unspecified()
        || private.ip().is_unspecified();
    if public.port() == private.port() && public.port() != 0 && same_host {
        let what = format!("port {} is taken by `server.listen`", private.port());
        error(
            ledger,
            "admin.listen",
            Problem::new(what).write("127.0.0.1:9901"),
        );
        ledger.explain("server.listen", "the public listener");
    }
}

fn pages_do_not_overlap(draft: &Draft, ledger: &mut Ledger) {
    let pages: Vec<&Page> = draft
        .pages
        .iter()
        .filter_map(|(_, page)| page.as_ref())
        .collect();
    for (i, page) in pages.iter().enumerate() {
        let Some(other) = pages[..i]
            .iter()
            .find(|other| other.path.overlaps(&page.path))
        else {
            continue;
        };
        let what = format!(
            "one request could match this and the path of `page.{}`",
            other.name
        );
        let problem = Problem::new(what).help("let one of them begin with another word");
        error(ledger, &format!("page.{}.path", page.name), problem);
        ledger.explain(&format!("page.{}.path", other.name), "the other path");
    }
}

/// A page starts when all its required parts have permits; it never does if it needs more than there are.
fn pages_can_be_admitted(draft: &Draft, ledger: &mut Ledger) {
    for page in draft.pages.iter().filter_map(|(_, page)| page.as_ref()) {
        for (id, (name, downstream)) in draft.downstreams.iter().enumerate() {
            let required = page
                .parts
                .iter()
                .filter(|part| part.required && part.downstream.0 == id);
            let needed = required.count();
            let permits = downstream
                .as_ref()
                .and_then(|downstream| downstream.permits);
            let Some(permits) = permits.filter(|permits| (permits.get() as usize) < needed) else {
                continue;
            };
            let what = format!(
                "{permits} can never admit `page.{}`: {needed} of its required parts come from here",
                page.name
            );
            let path = format!("downstream.{name}.permits");
            error(ledger, &path, Problem::new(what).write(needed));
        }
    }
}

fn variables_found_their_keys(ledger: &mut Ledger) {
    let keys = ledger
        .taken()
        .iter()
        .map(|taken| variables::name_of(&taken.path.join(".")));
    let keys: Vec<String> = keys.collect();
    let mut faults = Vec::new();
    for variable in ledger.variables.unknown() {
        let title = format!("the variable {} stands for no key", variable.name);
        let upper = variable.name.to_ascii_uppercase();
        let meant = super::problem::did_you_mean(&upper, keys.iter().map(String::as_str));
        let help = meant.map_or_else(
            || "`GATEWAY__SERVER__LISTEN` stands for `server.listen`, for example".to_owned(),
            |meant| format!("did you mean {meant}?"),
        );
        faults.push(Fault::of_the_whole(title, help));
    }
    for (variable, keys) in ledger.variables.ambiguous() {
        let title = format!(
            "the variable {} stands for {}",
            variable.name,
            keys.join(" and ")
        );
        faults.push(Fault::of_the_whole(
            title,
            "rename one of them, or set both in the file",
        ));
    }
    for (one, other) in ledger.variables.twins() {
        let title = format!(
            "the variables {} and {} stand for the same key",
            one.name, other.name
        );
        faults.push(Fault::of_the_whole(title, "unset one of them"));
    }
    ledger.faults.append(&mut faults);
}

/// Finds what is legal but probably not meant.
pub(super) fn warnings(_config: &Config, _ledger: &mut Ledger) {}
