//! An HTTP gateway that admits a page as a whole, fetches its parts in parallel
//! under one deadline, and says honestly what is missing and why.
//!
//! In reading order, the life of a page:
//!
//! 1. [`edge`]: a connection is accepted, a request is checked and routed;
//! 2. [`page`]: the page is admitted, fetched, assembled, and accounted for;
//! 3. [`transport`]: each call travels to its downstream.
//!
//! Around it: [`app`] builds everything from the [`config`], as one [`generation`] after the
//! other, [`lifecycle`] drains it at
//! the end, [`admin`] lets operators look in, [`command`] is how they ask from a terminal,
//! [`overrides`] are what they changed for a while, [`openapi`] describes the pages to clients' tools,
//! [`telemetry`] tells what happened, and all of them say how things ended in the words of
//! [`outcome`].

pub mod admin;
pub mod app;
mod cgroup;
pub mod colours;
pub mod command;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod edge;
pub mod generation;
mod http_client;
pub mod ids;
pub mod lifecycle;
pub mod openapi;
pub mod outcome;
pub mod overrides;
pub mod page;
mod pem;
pub mod readings;
pub mod telemetry;
pub mod text;
pub mod transport;
