//! The gateway on real sockets, in real time: what clients, downstreams and
//! operators see of it. Every wait is bounded by `common::PATIENCE`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod admin;
mod agreement;
mod caching;
mod cancellation;
mod change;
mod client_budget;
mod common;
mod connections;
mod console;
mod cors;
mod downstream;
mod drain;
mod forwarding;
mod health;
mod http2;
mod http2_limits;
mod log_lost;
mod logs;
mod manager;
mod metrics;
mod observed;
mod openapi;
mod operators;
mod own_load;
mod pages;
mod passed;
mod process;
mod promise;
mod proxies;
mod query;
mod rate_limit;
mod readings;
mod refusals;
mod reload;
mod restart;
mod tls;
mod tls_reload;
mod turned_away;
mod validate;
mod why;
