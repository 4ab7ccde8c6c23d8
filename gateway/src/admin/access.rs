//! Who may ask for what.
//!
//! What always holds: nothing is changed over TCP without the token of `admin.token_file`, and
//! from another machine nothing but health is shown without it. So no page that a browser shows
//! can change anything: it does not know the token, and a request that carries one is never sent
//! before the gateway has allowed that (CORS), which it never does.
//!
//! Over a socket of the file system no token is asked for: whoever may open it is its owner, who
//! could as well read the token.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::answer::{AdminBody, text};
use crate::config::Token;

/// How a request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over TCP, from this machine.
    Loopback,
    /// Over TCP, from wherever the listener's address can be reached.
    Network,
    /// Through a socket of the file system.
    Socket,
}

/// What a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// Ask whether the gateway is well.
    Probe,
    /// Load the console's files, in which nothing is this gateway's.
    Load,
    /// Look at something.
    Look,
    /// Change something.
    Change,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is no token that could be shown.
    NoneConfigured(Does),
    /// None is shown.
    NotShown,
    /// It is another, or several.
    Wrong,
}

/// Whether a request with these headers may do what it would.
pub(super) fn check(
    does: Does,
    via: Via,
    token: Option<&Token>,
    headers: &HeaderMap,
) -> Result<(), Denied> {
    let is_free = match (does, via) {
        (Does::Probe | Does::Load, _) | (_, Via::Socket) | (Does::Look, Via::Loopback) => true,
        (Does::Look, Via::Network) | (Does::Change, Via::Loopback | Via::Network) => false,
    };
    if is_free {
        return Ok(());
    }
    let token = token.ok_or(Denied::NoneConfigured(does))?;
    let mut shown = headers.get_all(AUTHORIZATION).iter();
    let first = shown.next().ok_or(Denied::NotShown)?;
    match bearer(first) {
        Some(first) if shown.next().is_none() && token.is(first) => Ok(()),
        Some(_) | None => Err(Denied::Wrong),
    }
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = header.as_bytes().split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| token.trim_ascii())
}

impl Denied {
    /// RFC 6750 section 3.
    pub(super) fn answer(self) -> Response<AdminBody> {
        let (status, words, challenge) = match self {
            Self::NoneConfigured(Does::Change) => (
                StatusCode::FORBIDDEN,
                "nothing can be changed here: name a file with a token in admin.token_file, or listen on a unix: socket\n",
                None,
            ),
            Self::NoneConfigured(Does::Look | Does::Load | Does::Probe) => (
                StatusCode::FORBIDDEN,
                "only /livez and /readyz are answered off loopback: name a file with a token in admin.token_file\n",
                None,
            ),
            Self::NotShown => (
                StatusCode::UNAUTHORIZED,
                "show the token of admin.token_file: Authorization: Bearer TOKEN\n",
                Some("Bearer realm=\"gateway\""),
            ),
            Self::Wrong => (
                StatusCode::UNAUTHORIZED,
                "this is not the token of admin.token_file\n",
                Some("Bearer realm=\"gateway\", error=\"invalid_token\""),
            ),
        };
        let mut response = text(status, words);
        if let Some(challenge) = challenge {
            let challenge = HeaderValue::from_static(challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_WAY: [Via; 3] = [Via::Loopback, Via::Network, Via::Socket];

    fn token() -> Token {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hush-hush-hush-hush").unwrap();
        let text = format!(
            "[admin]\ntoken_file = {:?}\n{}",
            file.path(),
            "[downstream.d]\nurl = \"http://127.0.0.1:1\"\n[page.p]\npath = \"/p\"\n[page.p.part.a]\ndownstream = \"d\"\npath = \"/a\"\n"
        );
        let loaded = crate::config::load_text("c.toml", &text, &[]).unwrap();
        loaded.config.admin.token.unwrap()
    }

    fn shown(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn without_a_token_there_is_health_for_all_views_from_here_and_changes_through_the_socket() {
        let none = HeaderMap::new();
        let check = |does, via| check(does, via, None, &none);
        for via in EVERY_WAY {
            assert_eq!(check(Does::Probe, via), Ok(()));
            assert_eq!(check(Does::Load, via), Ok(()));
        }
        assert_eq!(check(Does::Look, Via::Loopback), Ok(()));
        assert_eq!(check(Does::Look, Via::Socket), Ok(()));
        assert_eq!(check(Does::Change, Via::Socket), Ok(()));
        let denied = |does| Err(Denied::NoneConfigured(does));
        assert_eq!(check(Does::Look, Via::Network), denied(Does::Look));
        for via in [Via::Loopback, Via::Network] {
            assert_eq!(check(Does::Change, via), denied(Does::Change));
            // Nor with one that somebody made up.
            let made_up = shown(&["Bearer hush-hush-hush-hush"]);
            assert_eq!(
                super::check(Does::Change, via, None, &made_up),
                denied(Does::Change)
            );
        }
    }

    #[test]
    fn with_a_token_whoever_shows_it_may_do_everything() {
        let token = token();
        let check = |does, via, headers: &[&str]| check(does, via, Some(&token), &shown(headers));
        for via in EVERY_WAY {
            for does in [Does::Probe, Does::Look, Does::Change] {
                for right in ["Bearer hush-hush-hush-hush", "bearer  hush-hush-hush-hush"] {
                    assert_eq!(check(does, via, &[right]), Ok(()), "{does:?} {via:?}");
                }
            }
        }
        for (does, via) in [
            (Does::Change, Via::Loopback),
            (Does::Change, Via::Network),
            (Does::Look, Via::Network),
        ] {
            assert_eq!(check(does, via, &[]), Err(Denied::NotShown));
            let right = "Bearer hush-hush-hush-hush";
            for wrong in [
                &["Bearer hush-hush-hush-hus"][..],
                &["Bearer"],
                &["Bearer "],
                &["hush-hush-hush-hush"],
                &["Basic hush-hush-hush-hush"],
                &[right, right],
                &[right, "Bearer other"],
            ] {
                assert_eq!(check(does, via, wrong), Err(Denied::Wrong), "{wrong:?}");
            }
        }
        assert_eq!(check(Does::Look, Via::Loopback, &[]), Ok(()));
    }

    #[test]
    fn who_shows_no_token_is_told_how_and_no_answer_has_a_token_in_it() {
        let answer = Denied::NotShown.answer();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            answer.headers()[WWW_AUTHENTICATE],
            "Bearer realm=\"gateway\""
        );
        let answer = Denied::Wrong.answer();
        assert_eq!(
            answer.headers()[WWW_AUTHENTICATE],
            "Bearer realm=\"gateway\", error=\"invalid_token\""
        );
        let answer = Denied::NoneConfigured(Does::Change).answer();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key(WWW_AUTHENTICATE));
    }
}
