//! The console as a web page: files that are part of the program, and what a browser may do with them.
//!
//! Always holds: nothing is built before they are served, nothing is loaded from anywhere else, and no script or
//! style is in the HTML, so that the policy can forbid it. They hold nothing of the gateway's: what they show they
//! ask for, with the token where one is needed.

use http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

/// One file of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Below `/console/`; the page itself is at `/`.
    pub name: &'static str,
    /// Its content type.
    pub kind: &'static str,
    /// What is in it.
    pub text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        /// All of them, the page first.
        pub const FILES: &[File] = &[$(File {
            name: $name,
            kind: $kind,
            text: include_str!(concat!("web/", $name)),
        }),*];
    };
}

files! {
    "index.html" HTML,
    "style.css" CSS,
    "icon.svg" SVG,
    "main.js" SCRIPT,
    "stream.js" SCRIPT,
    "history.js" SCRIPT,
    "dom.js" SCRIPT,
    "units.js" SCRIPT,
    "overview.js" SCRIPT,
    "tables.js" SCRIPT,
    "chart.js" SCRIPT,
    "waterfall.js" SCRIPT,
}

/// What a browser that shows the console may do: load its own files and ask its own gateway, and nothing else; nor may
/// another page frame it, or a script turn text into markup.
/// <https://www.w3.org/TR/CSP3/>, <https://www.w3.org/TR/trusted-types/>
pub const HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
];

/// The file of this name.
pub fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_page_loads_is_there_and_is_its_own() {
        let mut loaded = 0;
        for file in FILES {
            for quote in ['"', '\''] {
                for text in file.text.split(quote).skip(1).step_by(2) {
                    let own = text.strip_prefix("/console/").or(text.strip_prefix("./"));
                    if let Some(name) = own {
                        assert!(self::file(name).is_some(), "{}: {text}", file.name);
                        loaded += 1;
                    }
                }
            }
            // Namespaces are names, not addresses.
            let elsewhere = file.text.replace("http://www.w3.org/", "");
            assert!(!elsewhere.contains("://"), "{} names an address", file.name);
        }
        assert!(loaded >= FILES.len() - 1, "{loaded}");
    }

    #[test]
    fn nothing_in_the_page_needs_what_its_policy_forbids() {
        let page = FILES[0].text;
        assert_eq!(
            page.matches("<script").count(),
            page.matches("<script type=\"module\" src=").count()
        );
        for forbidden in ["<style", " style=", " onclick=", " onload=", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        for file in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                "document.write",
            ] {
                assert!(!file.text.contains(forbidden), "{}: {forbidden}", file.name);
            }
        }
    }
}
