//! What is legal and probably not meant of who clients are, and of what is kept for them.

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use serde_json::json;

use super::Warnings;
use crate::config::problem::Problem;
use crate::config::{ClientAddress, Config, EarlyReturns, IdentifyBy, Page};

impl Warnings<'_> {
    /// Of those behind one address nobody knows who was told to come back.
    pub(super) fn early_returns(&mut self) {
        let clients = &self.config.clients;
        if clients.identify_by == IdentifyBy::Ip && clients.early_returns == EarlyReturns::Refuse {
            let what = "everyone behind one address would have to wait as long as any one of them was told to";
            self.warn("clients.early_returns", Problem::new(what).write("auto"));
            self.registry
                .explain("clients.identify_by", "what tells clients apart");
        }
    }

    /// Behind a balancer all clients have its address, unless it says who they are.
    pub(super) fn client_addresses(&mut self) {
        let Config {
            server, clients, ..
        } = self.config;
        let takes_word = server.client_address != ClientAddress::Peer;
        if takes_word && server.trusted_proxies.is_empty() {
            let what = "has no effect: nobody's word is taken, as no proxy is trusted";
            let help = "list the networks of the proxies in `server.trusted_proxies`";
            self.warn("server.client_address", Problem::new(what).help(help));
        } else if !takes_word && !server.trusted_proxies.is_empty() {
            let what = "has no effect: the client is who opened the connection";
            self.warn(
                "server.trusted_proxies",
                Problem::new(what).write(json!([])),
            );
            self.registry
                .explain("server.client_address", "who the client is");
        }
        let by_address = clients.identify_by == IdentifyBy::Ip && clients.rate.is_some();
        if by_address && !takes_word && !server.listen.ip().is_loopback() {
            let what =
                "behind a load balancer all clients have its address, and so share one quota";
            let help = "let the balancer say who they are: `server.client_address` and `server.trusted_proxies`";
            self.warn("clients.identify_by", Problem::new(what).help(help));
            self.registry
                .explain("server.listen", "others than this machine connect here");
        }
    }

    /// `Vary` names what a client says of itself, and not every cache obeys it.
    pub(super) fn shared_caches(&mut self, page: &Page) {
        let personal = |name: &&HeaderName| **name == AUTHORIZATION || **name == COOKIE;
        let Some(personal) = page.forward_headers.iter().find(personal) else {
            return;
        };
        if page.cache_control.shared {
            let what = format!(
                "calls carry `{personal}`, so the page may be one client's own, and a shared cache that ignores Vary serves it to others"
            );
            self.warn(
                &page.key("cache_control"),
                Problem::new(what).write("private, no-cache"),
            );
            self.registry
                .explain(&page.key("forward_headers"), "what calls carry");
        }
    }
}
