//! Hardship as data, and what the gateway makes of it.
//!
//! Reading order, from the bottom up; each uses only what stands before it. [`verdict`] holds the words
//! that expectations are written in: figures, bounds, worlds. A [`scenario`] says what happens and what
//! must hold; what happened is a [`record`]. What a run is in both worlds is [`play`]; [`simulated`] plays it
//! with the gateway's own code on a paused clock, [`live`] runs the gateway and the fakes as processes.
//! [`judge`] holds the record against the expectations. [`run`] does all of that for a terminal,
//! [`report`] for a browser, [`sweep`] with random scenarios, [`incident`] with three that make one
//! picture; [`agree`] tells whether both worlds say the same.
//!
//! Beneath that: [`load`] offers requests on a fixed schedule and reports how each of them ended;
//! [`proc`] runs the gateway and the fakes as child processes; [`http`] talks to their control and
//! admin listeners; [`by_hand`] makes one fault on fakes that run already.

pub mod agree;
pub mod by_hand;
mod clock;
pub mod http;
pub mod incident;
pub mod judge;
pub mod live;
pub mod load;
pub mod output;
pub mod play;
pub mod proc;
pub mod record;
pub mod report;
pub mod run;
pub mod scenario;
pub mod simulated;
pub mod sweep;
pub mod verdict;
