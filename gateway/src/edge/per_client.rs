//! How many connections each client has, so that none takes them all.
//!
//! Always holds: a client is counted while at least one of its connections is open, so this is never
//! larger than the connections are many; a place is left by `Drop`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::generation::clients::by_address;
use crate::page::quota::ClientKey;

/// Connections by client.
#[derive(Debug, Default)]
pub(super) struct PerClient(Mutex<HashMap<ClientKey, usize>>);

/// The connections of all clients, and how many each may have.
pub(super) type Clients = (Arc<PerClient>, usize);

/// One connection of a client, among those it may have.
#[derive(Debug)]
pub(super) struct Place {
    of: Arc<PerClient>,
    client: ClientKey,
}

impl PerClient {
    /// A place for one more connection of `client`; `None`: it has `most`.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr, most: usize) -> Option<Place> {
        let client = by_address(client);
        let mut open = self.0.lock();
        let connections = open.entry(client).or_insert(0);
        if *connections >= most {
            return None;
        }
        *connections += 1;
        let of = Arc::clone(self);
        Some(Place { of, client })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Entry::Occupied(mut open) = self.of.0.lock().entry(self.client) {
            *open.get_mut() -= 1;
            if *open.get() == 0 {
                open.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_places_and_leaves_nothing_behind() {
        let clients = Arc::new(PerClient::default());
        let enter = |ip: &str| clients.enter(ip.parse().unwrap(), 2);
        let (first, second) = (enter("10.0.0.1"), enter("::ffff:10.0.0.1"));
        assert!(first.is_some() && second.is_some() && enter("10.0.0.1").is_none());
        // Another client is another, and one IPv6 host has a whole /64.
        let others = [
            enter("10.0.0.2"),
            enter("2001:db8::1"),
            enter("2001:db8::2"),
        ];
        assert!(others.iter().all(Option::is_some) && enter("2001:db8::3").is_none());
        drop(first);
        assert!(enter("10.0.0.1").is_some());
        drop((second, others));
        assert!(clients.0.lock().is_empty());
    }
}
