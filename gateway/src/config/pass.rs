//! Which statuses of a service say something that the page's client may know.
//!
//! Always holds: a status that is not in this closed set is the service's failure, whatever a file
//! says. Not here: what a client is told of one ([`Refusal`](crate::page::refusal::Refusal)).

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::kinds::Kind;
use super::problem::Problem;
use super::raw::Raw;

/// A status that a part may pass on (RFC 9110 section 15.5; 429: RFC 6585 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassedStatus {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 410.
    Gone,
    /// 429.
    TooManyRequests,
}

impl PassedStatus {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::Gone,
        Self::TooManyRequests,
    ];

    /// Its number.
    pub fn code(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::TooManyRequests => 429,
        }
    }

    /// The one of this number.
    pub fn of(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// The statuses that one part passes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass(u8);

impl Pass {
    /// Whether it is one of them.
    pub fn has(self, status: PassedStatus) -> bool {
        self.0 & bit(status) != 0
    }

    /// All of them, in the order of their numbers.
    pub fn statuses(self) -> impl Iterator<Item = PassedStatus> {
        PassedStatus::ALL
            .into_iter()
            .filter(move |status| self.has(*status))
    }
}

impl FromIterator<PassedStatus> for Pass {
    fn from_iter<I: IntoIterator<Item = PassedStatus>>(all: I) -> Self {
        Self(all.into_iter().fold(0, |set, status| set | bit(status)))
    }
}

fn bit(status: PassedStatus) -> u8 {
    1 << status as u8
}

/// An array of statuses; in a variable `401,404` or `[401, 404]`, and nothing for none.
pub(super) const PASS: Kind<Pass> = Kind {
    read,
    show: |pass| codes(pass.statuses()),
    schema: || json!({"type": "array", "items": {"enum": codes(PassedStatus::ALL)}, "uniqueItems": true}),
};

fn codes(statuses: impl IntoIterator<Item = PassedStatus>) -> Json {
    statuses.into_iter().map(PassedStatus::code).collect()
}

fn read(raw: &Raw<'_>) -> Result<Pass, Problem> {
    let mut pass = Pass::default();
    for item in items(raw)? {
        let status = status(&item)?;
        if pass.has(status) {
            let what = format!("{} stands here twice", status.code());
            return Err(Problem::new(what).help("remove one of them"));
        }
        pass.0 |= bit(status);
    }
    Ok(pass)
}

/// Each as it is written, without quotes.
fn items(raw: &Raw<'_>) -> Result<Vec<String>, Problem> {
    if let Raw::Toml(DeValue::Array(items)) = raw
        && items.iter().any(|item| item.get_ref().is_str())
    {
        return Err(Problem::new("a status is a number").help("write them without quotes"));
    }
    let wrong = || raw.instead("an array of statuses").default();
    let of_array = |value: &DeValue<'_>| {
        let item = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::String(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        value.as_array()?.iter().map(item).collect::<Option<_>>()
    };
    match raw {
        Raw::Toml(DeValue::Integer(number)) => {
            let alone = number.as_str().parse().ok().and_then(PassedStatus::of);
            Err(match alone {
                Some(status) => wrong().write(codes([status])),
                None => wrong(),
            })
        }
        Raw::Toml(value) => of_array(value).ok_or_else(wrong),
        Raw::Plain(text) if text.trim_start().starts_with('[') => {
            let value = DeValue::parse(text).map_err(|_| wrong())?;
            of_array(value.get_ref()).ok_or_else(wrong)
        }
        Raw::Plain("") => Ok(Vec::new()),
        Raw::Plain(text) => Ok(text.split(',').map(|item| item.trim().to_owned()).collect()),
    }
}

fn status(text: &str) -> Result<PassedStatus, Problem> {
    let known = text.parse().ok().and_then(PassedStatus::of);
    known.ok_or_else(|| {
        let why = match text.parse::<u16>() {
            Ok(200..300) => format!("{text} is no refusal: 200 and 203 are the part, and others hold nothing that could be it"),
            Ok(500..600) => format!("{text} is the service's failure, and the page's is 502"),
            Ok(_) | Err(_) => format!("{text} is not a status that can be passed on"),
        };
        let all = PassedStatus::ALL.map(|status| status.code().to_string());
        Problem::new(why).help(format!("those that can be are {}", all.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Result<Pass, Problem> {
        read(&Raw::Plain(text))
    }

    #[test]
    fn a_list_holds_what_is_written_and_nothing_else() {
        for (text, codes) in [
            ("", &[][..]),
            ("404", &[404]),
            ("[429, 401]", &[401, 429]),
            ("410, 403,409", &[403, 409, 410]),
        ] {
            let pass = plain(text).unwrap();
            let found: Vec<_> = pass.statuses().map(PassedStatus::code).collect();
            assert_eq!(found, codes, "{text}");
            for status in PassedStatus::ALL {
                assert_eq!(pass.has(status), codes.contains(&status.code()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_refusal_of_a_service_cannot_be_passed_on() {
        for (text, said) in [
            ("204", "204 is no refusal"),
            ("503", "503 is the service's failure"),
            (
                "402",
                "402 is not a status that can be passed on; those that can be are 401, 403,",
            ),
            ("soon", "soon is not a status"),
            ("404, 404", "404 stands here twice"),
            ("[404", "expected an array of statuses"),
        ] {
            let problem = plain(text).unwrap_err().to_string();
            assert!(problem.contains(said), "{text:?}: {problem}");
        }
    }
}
