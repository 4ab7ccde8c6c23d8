//! Which recent pages are kept, and for how long: a pure law.
//!
//! Each class of pages has a share of the bytes to itself and loses its oldest to its own newest,
//! so that no flood of one pushes out another: a thousand whole pages evict no failed one, a
//! thousand refused ones no slow one. Of each hundred whole pages in a row the slowest is kept
//! once more, and some that were drawn before anything was known of them: those two classes
//! reach a hundred, or some twenty-five, times further back than the pages they are of, and they are
//! what [`outliers`](super::outliers) compares.
//!
//! What always holds: the bytes of a class never exceed its share, nor all of them the whole; the
//! pages of a class are an unbroken row up to now; at most one evicts another of its own class.
//!
//! Not here: locks, and what a record weighs.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What a page is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Owed and not given: late, failed, abandoned, or answered after its deadline.
    Lost,
    /// Refused for load or a shutdown.
    Refused,
    /// Answered without an optional part.
    Partial,
    /// The slowest of a hundred whole pages.
    Slow,
    /// Whole pages drawn at random.
    Sample,
    /// Answered with everything.
    Whole,
    /// Ended by its client's doing: over its quota, not allowed, not found, or gone at once.
    Client,
}

impl Class {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Lost,
        Self::Refused,
        Self::Partial,
        Self::Slow,
        Self::Sample,
        Self::Whole,
        Self::Client,
    ];

    /// For views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Refused => "refused",
            Self::Partial => "partial",
            Self::Slow => "slow",
            Self::Sample => "sample",
            Self::Whole => "whole",
            Self::Client => "client",
        }
    }

    /// Sixteenths of all bytes.
    pub fn share(self) -> usize {
        match self {
            Self::Lost => 4,
            Self::Sample => 3,
            Self::Refused | Self::Partial | Self::Slow | Self::Whole => 2,
            Self::Client => 1,
        }
    }
}

/// What the shares are of.
const WHOLE: usize = 16;

/// The bytes of a class, of all `bytes`.
fn share(class: Class, bytes: usize) -> usize {
    bytes / WHOLE * class.share()
}

/// The pages of one class, the oldest first.
#[derive(Debug)]
pub struct Shelf<T> {
    most: usize,
    bytes: usize,
    pages: VecDeque<(T, u32)>,
    /// When the last page ended that is not here any more; `None`: all are here.
    forgotten: Option<Instant>,
}

impl<T> Shelf<T> {
    /// Empty; for the share of `class` in `bytes`.
    pub fn new(class: Class, bytes: usize) -> Self {
        Self {
            most: share(class, bytes),
            bytes: 0,
            pages: VecDeque::new(),
            forgotten: None,
        }
    }

    /// Takes in a page that ended at `ended` and weighs `bytes`; what it evicts is handed to
    /// `gone` with when it ended. A page that weighs more than the share is not kept.
    pub fn push(
        &mut self,
        page: T,
        bytes: usize,
        ended: impl Fn(&T) -> Instant,
        mut gone: impl FnMut(T),
    ) {
        let bytes = bytes.saturating_add(2 * size_of::<(T, u32)>());
        let fits = u32::try_from(bytes).ok().filter(|_| bytes <= self.most);
        let Some(weight) = fits else {
            self.forgotten = Some(ended(&page));
            gone(page);
            return;
        };
        self.evict(self.most - bytes, ended, gone);
        self.bytes += bytes;
        self.pages.push_back((page, weight));
    }

    /// From now on for the share in so many `bytes`.
    pub fn resize(
        &mut self,
        class: Class,
        bytes: usize,
        ended: impl Fn(&T) -> Instant,
        gone: impl FnMut(T),
    ) {
        self.most = share(class, bytes);
        self.evict(self.most, ended, gone);
    }

    /// Until what is left weighs no more than `most`.
    fn evict(&mut self, most: usize, ended: impl Fn(&T) -> Instant, mut gone: impl FnMut(T)) {
        while self.bytes > most
            && let Some((oldest, weight)) = self.pages.pop_front()
        {
            self.bytes -= weight as usize;
            self.forgotten = Some(ended(&oldest));
            gone(oldest);
        }
    }

    /// The pages, the oldest first.
    pub fn pages(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.pages.iter().map(|(page, _)| page)
    }

    /// The newest first, as long as they weigh no more than two thirds of the share: each of them
    /// is still here when another third has come in, also where nothing was evicted yet.
    pub fn lasting(&self) -> impl Iterator<Item = &T> {
        let mut room = self.most / 3 * 2;
        let fits = move |(_, weight): &&(T, u32)| {
            let left = room.checked_sub(*weight as usize);
            room = left.unwrap_or(room);
            left.is_some()
        };
        self.pages
            .iter()
            .rev()
            .take_while(fits)
            .map(|(page, _)| page)
    }

    /// What they weigh, with what keeps them in order, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What they may weigh.
    pub fn most(&self) -> usize {
        self.most
    }

    /// All pages of the class that ended later than this are here; `None`: all there were.
    pub fn forgotten(&self) -> Option<Instant> {
        self.forgotten
    }
}

/// Whole pages are looked at in rows of this many.
pub const ROW: usize = 100;

/// So many of each row are drawn.
pub const DRAWN: usize = 4;

/// Chooses of each row of whole pages the slowest, and some at random.
#[derive(Debug)]
pub struct Chooser<T> {
    seen: usize,
    /// Places in the row that are drawn before it begins.
    drawn: [usize; DRAWN],
    slowest: Option<(Duration, T)>,
    random: fastrand::Rng,
}

impl<T: Clone> Chooser<T> {
    /// At the begin of a row.
    pub fn new(mut random: fastrand::Rng) -> Self {
        Self {
            seen: 0,
            drawn: draw(&mut random),
            slowest: None,
            random,
        }
    }

    /// Looks at the next page, which took `took`. Returns whether it is one of those drawn, and
    /// at the end of a row its slowest.
    pub fn look(&mut self, page: &T, took: Duration) -> (bool, Option<T>) {
        let drawn = self.drawn.contains(&self.seen);
        self.seen += 1;
        if self.slowest.as_ref().is_none_or(|(most, _)| took > *most) {
            self.slowest = Some((took, page.clone()));
        }
        if self.seen < ROW {
            return (drawn, None);
        }
        (self.seen, self.drawn) = (0, draw(&mut self.random));
        (drawn, self.slowest.take().map(|(_, page)| page))
    }
}

/// Different places of a row.
fn draw(random: &mut fastrand::Rng) -> [usize; DRAWN] {
    let mut places = [ROW; DRAWN];
    for at in 0..DRAWN {
        while places[at] == ROW {
            let place = random.usize(..ROW);
            if !places[..at].contains(&place) {
                places[at] = place;
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::page::deadline::now;

    /// A page of a test: its number, and what it weighs.
    type Numbered = (u64, usize);

    const ALL: usize = 16 << 10;

    #[test]
    fn the_shares_are_all_there_is() {
        let sum: usize = Class::ALL.iter().map(|class| class.share()).sum();
        assert_eq!(sum, WHOLE);
    }

    proptest! {
        /// Against a model: the longest row up to the newest page that fits into the share.
        #[test]
        fn a_class_keeps_its_newest_and_never_more_than_its_share(
            pages in prop::collection::vec((0..7_usize, 1..3000_usize), 0..400),
        ) {
            let epoch = now();
            let at = |number: u64| epoch + Duration::from_millis(number);
            let mut shelves = Class::ALL.map(|class| Shelf::<Numbered>::new(class, ALL));
            let mut history = Class::ALL.map(|_| Vec::<Numbered>::new());
            for (number, (class, weight)) in pages.into_iter().enumerate() {
                let others: Vec<usize> = shelves.iter().map(|shelf| shelf.pages().count()).collect();
                let page = (number as u64, weight);
                let mut gone = Vec::new();
                shelves[class].push(page, weight, |page| at(page.0), |page| gone.push(page));
                history[class].push(page);
                for (other, shelf) in shelves.iter().enumerate() {
                    prop_assert!(shelf.bytes() <= shelf.most());
                    if other != class {
                        prop_assert_eq!(shelf.pages().count(), others[other], "a page of another class was evicted");
                    }
                }
                prop_assert!(shelves.iter().map(Shelf::bytes).sum::<usize>() <= ALL);

                let shelf = &shelves[class];
                let entry = 2 * size_of::<(Numbered, u32)>();
                let mut room = shelf.most();
                let fits = |page: &&Numbered| page.1 + entry <= shelf.most();
                let expected: Vec<Numbered> = history[class].iter().filter(fits).rev().copied()
                    .take_while(|page| {
                        let fits = page.1 + entry <= room;
                        room = room.saturating_sub(page.1 + entry);
                        fits
                    })
                    .collect();
                let kept: Vec<Numbered> = shelf.pages().rev().copied().collect();
                prop_assert_eq!(&kept, &expected);
                for page in gone {
                    prop_assert!(shelf.forgotten() >= Some(at(page.0)));
                }
            }
        }

        #[test]
        fn what_lasts_is_still_kept_when_another_third_has_come_in(
            before in prop::collection::vec(1..600_usize, 0..40),
            after in prop::collection::vec(1..600_usize, 0..20),
        ) {
            let epoch = now();
            let mut shelf = Shelf::<Numbered>::new(Class::Lost, ALL);
            let push = |shelf: &mut Shelf<Numbered>, number, weight| {
                shelf.push((number, weight), weight, |_| epoch, |_| {});
            };
            let mut numbers = 0..;
            for (number, weight) in numbers.by_ref().zip(before) {
                push(&mut shelf, number, weight);
            }
            let listed: Vec<Numbered> = shelf.lasting().copied().collect();
            let all = shelf.bytes() <= shelf.most() / 3 * 2;
            prop_assert_eq!(listed.len() == shelf.pages().count(), all);
            let mut third = shelf.most() / 3;
            for (number, weight) in numbers.zip(after) {
                let Some(left) = third.checked_sub(weight + 2 * size_of::<(Numbered, u32)>()) else { break };
                third = left;
                push(&mut shelf, number, weight);
            }
            let kept: Vec<Numbered> = shelf.pages().copied().collect();
            prop_assert!(listed.iter().all(|page| kept.contains(page)));
        }

        #[test]
        fn of_each_row_the_slowest_is_chosen_and_a_few_that_are_drawn(
            took in prop::collection::vec(0..1000_u64, ROW * 3),
            seed: u64,
        ) {
            let mut chooser = Chooser::new(fastrand::Rng::with_seed(seed));
            for row in took.chunks(ROW) {
                let mut drawn = 0;
                for (place, took) in row.iter().enumerate() {
                    let (is_drawn, slowest) = chooser.look(took, Duration::from_millis(*took));
                    drawn += usize::from(is_drawn);
                    prop_assert_eq!(slowest.is_some(), place == ROW - 1);
                    if let Some(slowest) = slowest {
                        prop_assert_eq!(Some(&slowest), row.iter().max());
                    }
                }
                prop_assert_eq!(drawn, DRAWN);
            }
        }
    }

    #[test]
    fn every_page_of_a_row_is_as_likely_to_be_drawn() {
        let mut chooser = Chooser::new(fastrand::Rng::with_seed(7));
        let mut times = [0_u32; ROW];
        for _ in 0..10_000 {
            for (place, times) in times.iter_mut().enumerate() {
                *times += u32::from(chooser.look(&place, Duration::ZERO).0);
            }
        }
        // 400 each on average; six standard deviations are 118.
        assert!(
            times.iter().all(|times| (282..518).contains(times)),
            "{times:?}"
        );
    }
}
