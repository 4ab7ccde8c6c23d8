//! Which content coding an answer gets: of those that the client takes most gladly, the cheapest
//! (RFC 9110 section 12.5.3).
//!
//! Always holds: a client that takes no coding, or would rather have none, gets none; a client
//! that nothing satisfies (`identity;q=0`) gets what it did not ask for instead of 406, as the
//! RFC allows: a page is worth more than a preference.
//!
//! Not here: the coding itself, and whether an answer is worth it (see [`super::layers`]).

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderValue};

/// The codings that answers can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

/// Thousandths, as precise as a weight may be.
type Weight = u16;

/// Without `q`, and the most there is.
const FULL: Weight = 1000;

impl Coding {
    /// First what is best for its price where a client takes several as gladly, and browsers take
    /// all of them so. A page of 4.2 kB costs 19, 14 and 16 microseconds and becomes 1720, 1798
    /// and 1868 bytes; one of 62 kB costs 90, 100 and 116 and becomes 14.5, 18.1 and 17.8 kB
    /// (docs/decisions/0035-content-codings.md).
    const BEST_FIRST: [Self; 3] = [Self::Zstd, Self::Gzip, Self::Brotli];

    /// As `Content-Encoding` names it.
    pub(super) fn token(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        })
    }

    fn is_named(self, name: &str) -> bool {
        let names: &[&str] = match self {
            Self::Zstd => &["zstd"],
            // RFC 9110 section 8.4.1.3: both mean the same.
            Self::Gzip => &["gzip", "x-gzip"],
            Self::Brotli => &["br"],
        };
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// The best coding for a client that sent `headers`.
    pub(super) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let weight_of = |is_named: &dyn Fn(&str) -> bool| {
            let mut named = members(headers).filter(|(name, _)| is_named(name));
            named.next().map(|(_, weight)| weight)
        };
        let any = weight_of(&|name| name == "*");
        let weight = |coding: Self| weight_of(&|name| coding.is_named(name)).or(any);
        let none = weight_of(&|name| name.eq_ignore_ascii_case("identity")).unwrap_or_default();
        let mut best = (None, none.max(1) - 1);
        for coding in Self::BEST_FIRST {
            let weight = weight(coding).unwrap_or_default();
            if weight > best.1 {
                best = (Some(coding), weight);
            }
        }
        best.0
    }
}

/// The members of the list that can be read, with their weights.
fn members(headers: &HeaderMap) -> impl Iterator<Item = (&str, Weight)> {
    let lists = headers.get_all(ACCEPT_ENCODING).iter();
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(member)
}

/// `gzip`, or `gzip;q=0.5`.
fn member(text: &str) -> Option<(&str, Weight)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next()?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let weight = weight.map_or(Some(FULL), |weight| {
        let weight: f32 = weight.parse().ok()?;
        (0.0..=1.0)
            .contains(&weight)
            .then(|| (weight * f32::from(FULL)).round() as Weight)
    })?;
    Some((name, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(lists: &[&str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(list).unwrap());
        }
        Coding::preferred(&headers)
    }

    #[test]
    fn a_client_gets_what_it_takes_most_gladly() {
        for (accepts, expected) in [
            ("gzip", Some(Coding::Gzip)),
            ("x-gzip ; q=1", Some(Coding::Gzip)),
            ("br", Some(Coding::Brotli)),
            ("zstd", Some(Coding::Zstd)),
            ("br;q=0.9, GZIP;q=0.5", Some(Coding::Brotli)),
            ("zstd;q=0.001, gzip;q=0.002", Some(Coding::Gzip)),
            ("*;q=0.1, zstd;q=0, gzip;Q=0.05", Some(Coding::Brotli)),
            ("gzip;q=0.5, identity;q=0.5", Some(Coding::Gzip)),
            ("gzip;q=0, *", Some(Coding::Zstd)),
        ] {
            assert_eq!(preferred(&[accepts]), expected, "{accepts:?}");
        }
    }

    #[test]
    fn of_those_that_it_takes_as_gladly_it_gets_the_best_for_its_price() {
        let browser = ["gzip, deflate, br, zstd"];
        assert_eq!(preferred(&browser), Some(Coding::Zstd));
        assert_eq!(preferred(&["br", "gzip"]), Some(Coding::Gzip));
        assert_eq!(preferred(&["*"]), Some(Coding::Zstd));
    }

    #[test]
    fn a_client_that_takes_none_or_would_rather_have_none_gets_none() {
        for accepts in [
            "",
            "identity",
            "deflate, compress",
            "gzip;q=0",
            "gzip;q=0.000",
            "gzip;q=nonsense",
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=NaN",
            "identity;q=0",
            "*;q=0",
            "identity, gzip;q=0.5",
            "gz ip",
        ] {
            assert_eq!(preferred(&[accepts]), None, "{accepts:?}");
        }
        assert_eq!(preferred(&[]), None);
    }
}
