//! `gateway demo`: the five fakes, the gateway, and a shop's page in one process.

pub mod storefront;

use std::net::SocketAddr;

use fixtures::{Behaviour, Fakes, Options, Ports, Service};

use crate::config::{self, Loaded};

/// Starts the fakes; the shipped `config.toml` is for a gateway in front of them. With
/// `free_ports`, every port is one the system had free.
///
/// # Errors
/// When a port is in use; the error names it.
pub async fn start(free_ports: bool) -> anyhow::Result<(Loaded, Fakes)> {
    let ports = if free_ports {
        Ports::Ephemeral
    } else {
        Ports::Standard
    };
    let options = Options {
        seed: 0,
        ports,
        behaviour: Behaviour::realistic(),
    };
    let fakes = Fakes::start(options).await?;
    let loaded = config::load_text(
        "config.toml",
        config::default_text(),
        &overrides(free_ports, &fakes),
    )
    .map_err(|report| anyhow::anyhow!("{report}"))?;
    Ok((loaded, fakes))
}

fn overrides(free_ports: bool, fakes: &Fakes) -> Vec<(String, String)> {
    // Who tries it out has no agent, and would only read that there is none.
    let no_agent = ["DATADOG_AGENT", "DOGSTATSD"]
        .map(|key| (format!("GATEWAY__TELEMETRY__{key}"), String::new()));
    if !free_ports {
        return no_agent.to_vec();
    }
    let urls = Service::ALL.map(|service| {
        let name = service.name().to_uppercase();
        (
            format!("GATEWAY__DOWNSTREAM__{name}__URL"),
            fakes.url(service),
        )
    });
    let listeners = ["SERVER", "ADMIN"].map(|section| {
        (
            format!("GATEWAY__{section}__LISTEN"),
            "127.0.0.1:0".to_owned(),
        )
    });
    urls.into_iter().chain(listeners).chain(no_agent).collect()
}

/// What to try: an address for a browser, and lines for a shell that show in their order what
/// they say.
pub fn transcript(shop: SocketAddr, page: SocketAddr, admin: SocketAddr, control: &str) -> String {
    format!(
        r#"A shop to look at, with buttons for all of this: http://{shop}/

A gateway on {page}, five fake services behind it. In another terminal:

  # a whole page: five services asked in parallel, one answer
  curl -i http://{page}/product-page/p-1001

  # pricing slowed to 1.5 s: the page needs it, so it is refused at its deadline of 300 ms
  curl -d '{{"name":"slow","type":"latency","attributes":{{"latency":1500}}}}' {control}/proxies/pricing/toxics
  curl -i http://{page}/product-page/p-1001

  # healed: a whole page again
  curl -X POST {control}/reset
  curl -i http://{page}/product-page/p-1001

  # a burst of 400: as many pages are let in as there are permits for, the rest get 429 at once
  curl -sZ --no-progress-meter --parallel-max 300 -o /dev/null -w '%{{http_code}}\n' 'http://{page}/product-page/p-1001?[1-400]' | sort | uniq -c

  # the limits, and how much of each is in use
  curl http://{admin}/limits

Ctrl-C ends it.
"#
    )
}
