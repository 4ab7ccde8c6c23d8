//! `[downstream.NAME]` and its TLS.

use url::Url;

use crate::config::address::{URL, URLS};
use crate::config::key::{key, required_here};
use crate::config::kinds::{
    BOOLEAN, COUNT_OR_ZERO, DURATION, FILE, HTTP2, POSITIVE_DURATION, SERVER_NAME, SIZE,
};
use crate::config::problem::Problem;
use crate::config::reader::Section;
use crate::config::{ClientIdentity, Downstream, Http2, Name, Tls};

/// Takes `[downstream.NAME]`.
pub(super) fn downstream(s: &mut Section<'_, '_>, name: Name) -> Option<Downstream> {
    let urls = urls(s);
    let resolve = s.take(
        key("resolve", POSITIVE_DURATION, "10s")
            .about("How often the name is resolved again; each of its addresses is an endpoint."),
    );
    let permits = s.take(
        key("permits", COUNT_OR_ZERO, "64")
            .about("The bulkhead: the most calls at once. 0: no limit."),
    );
    let observe = s.take(
        key("observe", BOOLEAN, "false")
            .about("The bulkhead is watched and not enforced: counted as gateway.would_shed."),
    );
    let connect_timeout = s.take(
        key("connect_timeout", POSITIVE_DURATION, "100ms").about("Time to open a connection."),
    );
    let warm = s.take(
        key("warm", COUNT_OR_ZERO, "4")
            .about("Connections opened to each endpoint before the first page. 0: none."),
    );
    let idle_timeout = s
        .take(key("idle_timeout", DURATION, "4s").about(
            "An unused connection is closed after this; the service's own limit is longer.",
        ));
    let max_age = s.take(
        key("max_age", POSITIVE_DURATION, "5m")
            .about("A connection older than this carries no further call."),
    );
    let max_body = s.take(
        key("max_body", SIZE, "256KiB").about("Largest body accepted; one byte more is a failure."),
    );
    let http2 =
        s.take(key("http2", HTTP2, "false").about(
            "HTTP/2 with prior knowledge instead of HTTP/1.1; \"auto\": what TLS negotiates.",
        ));
    let tls = match s.is_written("tls") {
        true => s.section("tls", "TLS towards the service, for https.", tls),
        false => {
            s.ignore("tls");
            Some(Tls::default())
        }
    };
    let (urls, http2) = (urls?, http2?);
    let secured = urls.iter().all(|url| url.scheme() == "https");
    if http2 == Http2::Auto && !secured {
        let what = "without TLS nothing negotiates which HTTP is spoken";
        s.wrong(
            "http2",
            Problem::new(what).help("write true or false, or an https address"),
        );
    }
    if tls.as_ref().is_some_and(|tls| *tls != Tls::default()) && !secured {
        let what = "has no effect: the address is not https";
        s.wrong(
            "tls",
            Problem::new(what).help("write https in the address, or remove the section"),
        );
    }
    Some(Downstream {
        name,
        urls,
        resolve: resolve?,
        permits: permits?,
        observe: observe?,
        connect_timeout: connect_timeout?,
        warm: warm?.map_or(0, |warm| warm.get()),
        idle_timeout: idle_timeout?,
        max_age: max_age?,
        max_body: max_body?,
        http2,
        tls: tls?,
    })
}

/// `url`, or `urls` in its place.
fn urls(s: &mut Section<'_, '_>) -> Option<Vec<Url>> {
    let several = match s.is_written("urls") {
        true => {
            s.take(key("urls", URLS, "").about("The endpoints one by one, in place of `url`."))?
        }
        false => {
            s.ignore("urls");
            Vec::new()
        }
    };
    if several.is_empty() {
        let one = s.take(required_here("url", URL, "http://127.0.0.1:7102").about(
            "Its address: http or https, host, port, and a path that is put before each part's.",
        ));
        return one.map(|url| vec![url]);
    }
    if s.is_written("url") {
        let problem = Problem::new("conflicts with `urls`: only one of the two can be set");
        s.wrong("url", problem.help("remove it, or add it to `urls`"));
    }
    s.ignore("url");
    Some(several)
}

fn tls(s: &mut Section<'_, '_>) -> Option<Tls> {
    let ca = s.take(key("ca", FILE, "").about(
        "File of the certificates (PEM) that sign the service's; \"\": those of the machine.",
    ));
    let cert =
        s.take(key("cert", FILE, "").about("File of the gateway's own certificate chain (PEM)."));
    let private_key =
        s.take(key("key", FILE, "").about("File of the private key (PEM) of `cert`."));
    let server_name = s.take(
        key("server_name", SERVER_NAME, "")
            .about("Name in the service's certificate; \"\": the host of the address."),
    );
    let identity = match (cert?, private_key?) {
        (Some(cert), Some(key)) => Some(ClientIdentity { cert, key }),
        (None, None) => None,
        (cert, _) => {
            let (there, missing) = match cert {
                Some(_) => ("cert", "key"),
                None => ("key", "cert"),
            };
            let what = format!("is of no use without `{missing}`");
            s.wrong(
                there,
                Problem::new(what).help(format!("add `{missing}` below the same header")),
            );
            None
        }
    };
    Some(Tls {
        ca: ca?,
        identity,
        server_name: server_name?,
    })
}
