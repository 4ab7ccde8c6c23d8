//! What a served page says of itself, read as a client reads it.

use std::collections::BTreeMap;

use gateway::config::Name;
use serde::Deserialize;

/// As much of a page's body as says what is in it.
#[derive(Deserialize)]
struct Body<'a> {
    complete: bool,
    #[serde(borrow)]
    missing: Vec<&'a str>,
    #[serde(borrow)]
    parts: BTreeMap<&'a str, Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    status: &'a str,
}

/// What is wrong with the body of a page that was served: no page at all, without a part that is
/// required, or at odds with itself or with what else was said of it being `complete`.
pub(super) fn wrong(body: &[u8], complete: [Option<bool>; 2], required: &[Name]) -> Option<String> {
    let Ok(body) = serde_json::from_slice::<Body<'_>>(body) else {
        return Some("its body is not a page".to_owned());
    };
    let is_there = |name: &Name| {
        let part = body.parts.get(name.as_str());
        part.is_some_and(|part| part.status == "ok")
    };
    if !required.iter().all(is_there) {
        return Some("it is served without a required part".to_owned());
    }
    let whole = body.missing.is_empty();
    (body.complete != whole || complete != [Some(whole); 2])
        .then(|| format!("it lacks {:?} and says otherwise", body.missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required() -> Vec<Name> {
        let config =
            gateway::config::load_text("config.toml", gateway::config::default_text(), &[]);
        let pages = config.unwrap().config.pages;
        let parts = pages.into_iter().flat_map(|page| page.parts);
        let required = parts.filter(|part| part.required);
        required.map(|part| part.name).take(1).collect()
    }

    fn verdict(complete: bool, missing: &str, status: &str) -> Option<String> {
        let body = format!(
            r#"{{"complete":{complete},"missing":[{missing}],"parts":{{"product":{{"status":"{status}","data":{{}}}}}}}}"#
        );
        wrong(body.as_bytes(), [Some(complete); 2], &required())
    }

    #[test]
    fn a_page_with_its_required_part_is_right_complete_or_not() {
        assert_eq!(verdict(true, "", "ok"), None);
        assert_eq!(verdict(false, "\"reviews\"", "ok"), None);
    }

    #[test]
    fn a_required_part_that_is_lost_and_a_claim_that_is_false_are_told() {
        assert!(verdict(false, "\"product\"", "late").is_some());
        assert!(verdict(true, "\"reviews\"", "ok").is_some());
        assert!(wrong(b"[]", [Some(true); 2], &required()).is_some());
    }
}
