//! URLs and addresses: what may be written, and what is shown of them.

use std::net::{IpAddr, SocketAddr};

use serde_json::json;
use url::Url;

use super::kinds::Kind;
use super::problem::Problem;
use super::raw::list_of;
use super::shown::looks_secret;

/// An IP address and a port.
pub(super) const ADDRESS: Kind<SocketAddr> = Kind {
    read: |raw| {
        let text = raw.text("an address and a port")?;
        text.parse().map_err(|_| not_an_address(text))
    },
    show: |value| json!(value.to_string()),
    schema: || json!({"type": "string", "pattern": "^.+:[0-9]{1,5}$"}),
};

/// Where a downstream is.
pub(super) const URL: Kind<Url> = Kind {
    read: |raw| read(raw.text("a URL")?, &["http", "https"]),
    show: |value| json!(show(value)),
    schema: || json!({"type": "string", "format": "uri", "pattern": "^https?://"}),
};

/// Where a downstream is, when that is several places; none of them twice.
pub(super) const URLS: Kind<Vec<Url>> = Kind {
    read: |raw| {
        let url = |text: &str| read(text, &["http", "https"]);
        let urls = list_of(raw, url, |url| format!("`{}` is listed twice", show(url)))?;
        let schemes = urls
            .windows(2)
            .all(|two| two[0].scheme() == two[1].scheme());
        if !schemes {
            let what = "holds addresses with TLS and without";
            return Err(Problem::new(what).help("write https for all of them, or http"));
        }
        if urls.len() > MAX_URLS {
            let what = format!("{} are too many; the most is {MAX_URLS}", urls.len());
            return Err(Problem::new(what).help("remove some, or give them one name"));
        }
        Ok(urls)
    },
    show: |urls| json!(urls.iter().map(show).collect::<Vec<_>>()),
    schema: || {
        let url = json!({"type": "string", "format": "uri", "pattern": "^https?://"});
        json!({"type": "array", "uniqueItems": true, "maxItems": MAX_URLS, "items": url})
    },
};

/// Where only TCP will do.
const NO_SOCKETS: &str = "a socket of the file system cannot be used here: write an address, such as \"http://127.0.0.1:7102\"";

/// Endpoints written out: each has a pool of its own.
const MAX_URLS: usize = 64;

/// A host and a port, in the one spelling we use.
pub(super) fn host_and_port(text: &str) -> Result<String, Problem> {
    let wrong = || Problem::new("is not a host and a port").write("127.0.0.1:8125");
    let url = read(&format!("http://{text}"), &["http"]).map_err(|_| wrong())?;
    let port = url.port_or_known_default().unwrap_or_default();
    let canonical = format!("{}:{port}", url.host_str().unwrap_or_default());
    match canonical == text {
        true => Ok(canonical),
        false => Err(wrong()),
    }
}

/// Checks a base URL: one of `schemes`, a host, and nothing after the path.
pub(super) fn read(text: &str, schemes: &[&str]) -> Result<Url, Problem> {
    let url = read_with_query(text, schemes)?;
    if url.query().is_some() || url.fragment().is_some() {
        let what = "a base URL has no query and no fragment: the paths of the parts follow it";
        return Err(Problem::new(what).write(show(&url)));
    }
    Ok(url)
}

/// Checks a URL: one of `schemes`, a host, and no credentials.
pub(super) fn read_with_query(text: &str, schemes: &[&str]) -> Result<Url, Problem> {
    if text.is_empty() {
        return Err(Problem::new("a URL cannot be empty").write("http://127.0.0.1:7102"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Problem::new("a URL cannot contain spaces").help("remove them"));
    }
    let full = || format!("{}://{text}", schemes[0]);
    let url = Url::parse(text).map_err(|error| {
        let problem = Problem::new(format!("is not a URL: {error}"));
        if text.contains("://") {
            problem.help("write scheme, host and port, such as \"http://127.0.0.1:7102\"")
        } else {
            problem.write(full())
        }
    })?;
    if !schemes.contains(&url.scheme()) {
        let what = format!(
            "the scheme must be {}, not {}",
            schemes.join(" or "),
            url.scheme()
        );
        return Err(match text.split_once("://") {
            Some((_, rest)) if !rest.starts_with('/') => {
                Problem::new(what).write(format!("{}://{}", schemes[0], without_credentials(rest)))
            }
            Some(_) => Problem::new(what).help(NO_SOCKETS),
            None if text.starts_with("unix:") => Problem::new(what).help(NO_SOCKETS),
            None => Problem::new(what).write(full()),
        });
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Problem::new("a URL needs a host").write("http://127.0.0.1:7102"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let what = "a URL with credentials would end up in logs";
        return Err(Problem::new(what).write(show(&url)));
    }
    if url.port() == Some(0) {
        return Err(Problem::new("nothing can be reached at port 0").help("write the port"));
    }
    Ok(url)
}

/// The text after the last `@` of an authority.
fn without_credentials(rest: &str) -> &str {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..authority]
        .rfind('@')
        .map_or(rest, |at| &rest[at + 1..])
}

/// The URL without user, password, query and fragment, and without a lone trailing slash; a
/// segment of its path that looks like a secret is starred out.
pub fn show(url: &Url) -> String {
    let mut url = url.clone();
    // These fail only for URLs that cannot have credentials, such as `data:`.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.set_fragment(None);
    let path = url
        .path()
        .split('/')
        .map(|segment| match looks_secret(segment) {
            true => "***",
            false => segment,
        });
    let path: Vec<&str> = path.collect();
    let path = path.join("/");
    url.set_path(&path);
    url.as_str().trim_end_matches('/').to_owned()
}

/// Says what is wrong with a text that should be `IP:PORT`.
pub(super) fn not_an_address(text: &str) -> Problem {
    let what = |why: &str| Problem::new(format!("is not an address and a port: {why}"));
    if let Ok(port) = text.trim_start_matches(':').parse::<u16>() {
        return what("the address is missing").write(format!("127.0.0.1:{port}"));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return what("the port is missing").write(SocketAddr::new(ip, 8080).to_string());
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return what("both are needed").default();
    };
    if port.parse::<u16>().is_err() {
        return what("a port is a number from 0 to 65535").write(format!("{host}:8080"));
    }
    match host {
        "localhost" => {
            what("a name could mean several addresses").write(format!("127.0.0.1:{port}"))
        }
        "" | "*" => what("the address is missing").write(format!("0.0.0.0:{port}")),
        _ => what("only an IP address can be listened on").write(format!("127.0.0.1:{port}")),
    }
}
