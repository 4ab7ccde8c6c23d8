//! `[[load]]`: who asks for what, how often, and how they take the answers.

use gateway::config::PageId;
use settings::key::{key, required_here};
use settings::kinds::{BOOLEAN, COUNT, DURATION, DURATION_OR_NONE, POSITIVE_DURATION, RATE};
use settings::problem::Problem;
use settings::reader::Section;

use super::kinds::{ARRIVALS, BACKOFF, OPTIONAL_TEXT, SHARE_OR_NONE, TIME_OR_NONE, WHOLE};
use super::shape::Shape;
use crate::scenario::{Backoff, Client, Demand, Load, Retries};

/// Most pages of one scenario, all retries counted: each is kept until the verdict, with 100 bytes.
const MOST_PAGES: f64 = 5e6;

impl Shape<'_> {
    pub(super) fn load(&self, s: &mut Section<'_, '_>) -> Option<Load> {
        let page = self.page_of_load(s);
        let demand = demand(s);
        let span = self.span(s);
        let client = s.take(key("client", OPTIONAL_TEXT, "").about(
            "Whose quota the pages count against; without it each arrival is a client of its own.",
        ));
        let clients = s.take(
            key("clients", COUNT, "1")
                .about("How many clients of that name share the load between them."),
        );
        let patience = s.take(key("patience", TIME_OR_NONE, "none").about(
            "How long a client waits before it leaves: the same for everybody, or drawn for each.",
        ));
        let budget = s.take(key("budget", TIME_OR_NONE, "none").about("What a client gives a page (`X-Request-Timeout-Ms`): the same for everybody, or drawn for each."));
        let retries = retries(s);
        let reads_for = s
            .take(key("reads_for", DURATION, "0ms").about(
                "How long a client takes to read a page, which keeps its ticket meanwhile.",
            ));
        if s.is_written("clients") && !s.is_written("client") {
            let problem = Problem::new("has no effect: clients without a name are all different");
            s.wrong(
                "clients",
                problem.help("write `client = \"shop\"`, or leave it out"),
            );
        }
        let (from, until) = span?;
        let count = clients?.get();
        Some(Load {
            page: page?,
            demand: demand?,
            from,
            until,
            client: client?.map(|name| Client { name, count }),
            patience: patience?,
            budget: budget?,
            retries: retries?,
            reads_for: reads_for?,
        })
    }

    /// The page asked for; if the config has one only, it need not be named.
    fn page_of_load(&self, s: &mut Section<'_, '_>) -> Option<PageId> {
        let named = self.page(s)?;
        let names = &self.names.pages;
        if named.is_none() && names.len() > 1 {
            let what = format!("is missing, and the config has {} pages", names.len());
            let all = names.iter().map(|name| format!("`page = \"{name}\"`"));
            let help = format!("write {}", all.collect::<Vec<_>>().join(" or "));
            s.wrong("page", Problem::new(what).help(help));
            return None;
        }
        Some(named.unwrap_or(PageId(0)))
    }
}

/// `rate`, or `users`.
fn demand(s: &mut Section<'_, '_>) -> Option<Demand> {
    let [rate, users] = ["rate", "users"].map(|name| s.is_written(name));
    if users && rate {
        let problem = Problem::new("stands beside `users`, who ask as often as they are answered");
        s.wrong("rate", problem.help("write one of `rate` and `users`"));
    }
    match users {
        true => closed(s),
        false => open(s),
    }
}

fn open(s: &mut Section<'_, '_>) -> Option<Demand> {
    let rate = s.take(
        required_here("rate", RATE, "200/s")
            .about("Pages asked for, not counting retries, whatever the answers."),
    );
    let arrivals = s.take(key("arrivals", ARRIVALS, "poisson").about("How arrivals are spaced: \"poisson\", \"constant\", or burstier with { cv = 0.5, every = \"500ms\" }, whose rate is drawn anew."));
    if s.is_written("think") {
        s.ignore("think");
        let problem = Problem::new("has no effect: only `users` think before they ask again");
        s.wrong(
            "think",
            problem.help("remove it, or write `users` instead of `rate`"),
        );
    }
    let (Some(rate), arrivals) = (rate?, arrivals?) else {
        let problem = Problem::new("a load of no pages has no effect");
        s.wrong(
            "rate",
            problem.help("remove this `[[load]]`, or write a rate such as \"200/s\""),
        );
        return None;
    };
    let rate = rate.per_second();
    Some(Demand::Open { rate, arrivals })
}

fn closed(s: &mut Section<'_, '_>) -> Option<Demand> {
    s.ignore("rate");
    let users = s.take(required_here("users", COUNT, "100").about(
        "So many users instead of a rate: each asks, takes the answer, thinks, and asks again.",
    ));
    let think = s.take(
        required_here("think", POSITIVE_DURATION, "1s")
            .about("How long users think on average; exponential."),
    );
    if s.is_written("arrivals") {
        s.ignore("arrivals");
        let problem = Problem::new("has no effect: users ask when they have their answer");
        s.wrong(
            "arrivals",
            problem.help("remove it, or write `rate` instead of `users`"),
        );
    }
    Some(Demand::Closed {
        users: users?.get(),
        think: think?,
    })
}

/// `retries` and what belongs to it.
fn retries(s: &mut Section<'_, '_>) -> Option<Retries> {
    let most = s.take(
        key("retries", WHOLE, "0")
            .about("The most times that one page is asked for again; at most 10."),
    );
    let late = s.take(key("retry_late", BOOLEAN, "true").about(
        "Whether a page that came too late (504) is asked for again, as one that was refused is.",
    ));
    let backoff = s.take(key("backoff", BACKOFF, "100ms").about("How long before the first retry, doubling with each and jittered by half; or \"retry-after\": as long as the answer says."));
    let otherwise = s.take(key("otherwise", DURATION_OR_NONE, "none").about("With \"retry-after\": how long after an answer that says nothing; \"none\": such a page is not asked for again."));
    let budget = s.take(key("retry_budget", SHARE_OR_NONE, "none").about(
        "The most retries of all clients of this load, as a share of the pages they ask for first.",
    ));
    let most = most?;
    if most > 10 {
        s.wrong(
            "retries",
            Problem::new("is too big; the most is 10").write(10),
        );
    }
    for name in ["retry_late", "backoff", "otherwise", "retry_budget"] {
        if most == 0 && s.is_written(name) {
            let problem = Problem::new("has no effect: nothing is asked for again");
            s.wrong(
                name,
                problem.help("write `retries = 3` too, or leave it out"),
            );
        }
    }
    let backoff = backoff?;
    if backoff != Backoff::RetryAfter && most > 0 && s.is_written("otherwise") {
        let problem = Problem::new("has no effect: `backoff` does not depend on the answer");
        s.wrong(
            "otherwise",
            problem.help("remove it, or write `backoff = \"retry-after\"`"),
        );
    }
    Some(Retries {
        most: u32::try_from(most).ok()?,
        late: late?,
        backoff,
        otherwise: otherwise?,
        budget: budget?,
    })
}

/// There are loads, and not too many pages in all.
pub(super) fn check_sum(root: &mut Section<'_, '_>, loads: Option<&[Load]>) {
    let Some(loads) = loads else { return };
    let of = |load: &Load| load.pages() * f64::from(load.retries.most + 1);
    let pages: f64 = loads.iter().map(of).sum();
    if loads.is_empty() {
        let problem = Problem::new("is missing, so nothing would happen");
        root.wrong(
            "load",
            problem.help("write `[[load]]`, and `rate = \"200/s\"` below it"),
        );
    } else if pages > MOST_PAGES {
        let what = format!("{pages:.0} pages are too many; the most is {MOST_PAGES}");
        root.wrong(
            "load",
            Problem::new(what).help("lower a `rate` or the `length`"),
        );
    }
}
