//! Names of hosts that requests may be for.

use serde_json::json;

use super::kinds::Kind;
use super::problem::Problem;
use super::raw::list_of;

/// A list of names of hosts, without ports; case does not matter.
pub(super) const HOSTS: Kind<Vec<String>> = Kind {
    read: |raw| list_of(raw, host, |name| format!("`{name}` is listed twice")),
    show: |all| json!(all),
    schema: || json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "minLength": 1}}),
};

/// RFC 952 and 1123, and the underscores that names have in practice.
fn host(text: &str) -> Result<String, Problem> {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    if text.len() <= 253 && text.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Problem::new(format!("{text:?} is not the name of a host"))
        .help("write names only, without scheme, port or path, such as `gateway.internal.example`"))
}
