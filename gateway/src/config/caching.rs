//! What caches are told of a page: a `Cache-Control` value (RFC 9111 section 5.2.2).

use http::HeaderValue;
use serde_json::json;

use super::kinds::Kind;
use super::problem::{Problem, did_you_mean};

/// The directives of an answer. <https://www.iana.org/assignments/http-cache-directives>
const DIRECTIVES: &[&str] = &[
    "private",
    "public",
    "no-cache",
    "no-store",
    "no-transform",
    "must-revalidate",
    "proxy-revalidate",
    "must-understand",
    "immutable",
    "max-age",
    "s-maxage",
    "stale-while-revalidate",
    "stale-if-error",
];

/// Those of them that need whole seconds.
const SECONDS: &[&str] = &[
    "max-age",
    "s-maxage",
    "stale-while-revalidate",
    "stale-if-error",
];

/// What caches are told of complete pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheControl {
    /// As it is sent.
    pub value: HeaderValue,
    /// Whether anybody may keep an answer at all (not `no-store`).
    pub stores: bool,
    /// Whether a cache that many clients share may (not `no-store`, not `private`).
    pub shared: bool,
}

/// A list of directives.
pub(super) const CACHE_CONTROL: Kind<CacheControl> = Kind {
    read: |raw| parse(raw.text("directives such as \"private, no-cache\"")?),
    show: |all| json!(String::from_utf8_lossy(all.value.as_bytes())),
    schema: || json!({"type": "string", "minLength": 1}),
};

fn parse(text: &str) -> Result<CacheControl, Problem> {
    let mut seen: Vec<&str> = Vec::new();
    for written in text.split(',').map(str::trim) {
        let name = directive(written)?;
        if seen.contains(&name) {
            let what = format!("`{name}` stands here twice");
            return Err(Problem::new(what).help("remove one of them"));
        }
        seen.push(name);
    }
    let has = |name| seen.contains(&name);
    if has("public") && has("private") {
        let what = "a page is `public` or `private`, not both";
        return Err(Problem::new(what).help("remove one of them"));
    }
    let stores = !has("no-store");
    Ok(CacheControl {
        value: HeaderValue::from_str(text)
            .map_err(|_| Problem::new("holds what no header can").default())?,
        stores,
        shared: stores && !has("private"),
    })
}

/// Its name, if it is one that an answer can have.
fn directive(written: &str) -> Result<&'static str, Problem> {
    let (name, value) = match written.split_once('=') {
        Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
        None => (written, None),
    };
    let known = DIRECTIVES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name));
    let Some(&known) = known else {
        let meant = did_you_mean(name, DIRECTIVES.iter().copied());
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known are {}", DIRECTIVES.join(", ")),
        };
        let what = format!("`{name}` is not a directive of Cache-Control");
        return Err(Problem::new(what).help(help));
    };
    let is_seconds = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match value {
        Some(value) if SECONDS.contains(&known) && is_seconds(value) => Ok(known),
        None if !SECONDS.contains(&known) => Ok(known),
        Some(_) if !SECONDS.contains(&known) => {
            let what = format!("`{known}` takes no value");
            Err(Problem::new(what).help(format!("let it stand alone: `{known}`")))
        }
        Some(_) | None => {
            let what = format!("`{known}` takes whole seconds without a unit");
            Err(Problem::new(what).help(format!("`{known}=30`, for example")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_keep_a_page_follows_from_its_directives() {
        for (text, stores, shared) in [
            ("private, no-cache", true, false),
            ("public, max-age=30", true, true),
            ("Max-Age=30,s-maxage = 5", true, true),
            ("no-store", false, false),
            ("PRIVATE", true, false),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.stores, parsed.shared), (stores, shared), "{text}");
            assert_eq!(parsed.value, text);
        }
    }

    #[test]
    fn what_a_cache_would_not_understand_is_refused_with_what_was_meant() {
        for (text, said) in [
            (
                "",
                "`` is not a directive of Cache-Control; known are private, public,",
            ),
            ("public,", "`` is not a directive"),
            (
                "max_age=30",
                "`max_age` is not a directive of Cache-Control; did you mean `max-age`?",
            ),
            ("maxage=30", "did you mean `max-age`?"),
            (
                "max-age",
                "`max-age` takes whole seconds without a unit; `max-age=30`, for example",
            ),
            ("max-age=30s", "takes whole seconds"),
            ("max-age=\"30\"", "takes whole seconds"),
            (
                "public=1",
                "`public` takes no value; let it stand alone: `public`",
            ),
            ("public, private", "not both"),
            ("public, Public", "`public` stands here twice"),
        ] {
            let problem = parse(text).unwrap_err().to_string();
            assert!(problem.contains(said), "{text:?}: {problem}");
        }
    }
}
