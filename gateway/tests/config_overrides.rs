//! Overrides win over the file and the variables, are checked as both are, and every key says
//! where its value came from.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use gateway::config::{self, Loaded, Origin, Override};
use serde_json::{Value, json};

fn shipped(env: &[(&str, &str)]) -> Loaded {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let env: Vec<_> = env.iter().map(owned).collect();
    config::load_text("config.toml", config::default_text(), &env)
        .unwrap_or_else(|report| panic!("{report}"))
}

fn set(key: &str, value: Value) -> Override {
    Override::new(key, &value)
}

fn refused(overrides: &[Override]) -> String {
    let report = shipped(&[]).with(overrides).map(|_| ()).unwrap_err();
    report.to_string()
}

fn origin(loaded: &Loaded, key: &str) -> Origin {
    let mut keys = loaded.keys.iter();
    keys.find(|one| one.key == key).unwrap().origin.clone()
}

#[test]
fn every_key_says_where_its_value_came_from() {
    let text = "[page.p]\npath = \"/p\"\ndeadline = \"200ms\"\n\n[page.p.part.a]\ndownstream = \"d\"\npath = \"/a\"\n\
                [downstream.d]\nurl = \"http://127.0.0.1:1\"\npermits = 5\n";
    let env = [("GATEWAY__DOWNSTREAM__D__PERMITS", "6"), ("DD_ENV", "prod")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let loaded = config::load_text("a.toml", text, &env).unwrap();
    let loaded = loaded.with(&[set("page.p.queue", json!(3))]).unwrap();
    let file = |line| Origin::File {
        name: "a.toml".to_owned(),
        line,
    };
    for (key, expected) in [
        ("page.p.path", file(2)),
        ("page.p.deadline", file(3)),
        ("page.p.part.a.downstream", file(6)),
        ("downstream.d.url", file(9)),
        (
            "downstream.d.permits",
            Origin::Variable("GATEWAY__DOWNSTREAM__D__PERMITS".into()),
        ),
        ("telemetry.env", Origin::Variable("DD_ENV".into())),
        ("page.p.queue", Origin::Override),
        ("page.p.max_wait", Origin::Default),
        ("server.listen", Origin::Default),
    ] {
        assert_eq!(origin(&loaded, key), expected, "{key}");
    }
    let shown = config::origins_json(&loaded.keys);
    assert_eq!(
        shown["page.p.deadline"],
        json!({"value": "200ms", "from": "file", "place": "a.toml:3"})
    );
    assert_eq!(
        shown["page.p.queue"],
        json!({"value": 3, "from": "override"})
    );
}

#[test]
fn an_agent_that_two_variables_name_comes_from_both() {
    let loaded = shipped(&[("DD_AGENT_HOST", "10.0.0.1"), ("DD_TRACE_AGENT_PORT", "9")]);
    let expected = Origin::Variable("DD_AGENT_HOST, DD_TRACE_AGENT_PORT".into());
    assert_eq!(origin(&loaded, "telemetry.datadog_agent"), expected);
}

#[test]
fn an_override_wins_over_the_variable_and_the_file_and_is_gone_without_it() {
    let key = "page.product-page.max_wait";
    let base = shipped(&[("GATEWAY__PAGE__PRODUCT_PAGE__MAX_WAIT", "30ms")]);
    let over = base.with(&[set(key, json!("20ms"))]).unwrap();
    assert_eq!(
        over.effective.pointer("/page/product-page/max_wait"),
        Some(&json!("20ms"))
    );
    assert_eq!(
        over.config.pages[0].max_wait,
        std::time::Duration::from_millis(20)
    );
    let back = over.with(&[]).unwrap();
    assert_eq!(back.effective, base.effective);
    assert_eq!(back.keys, base.keys);
}

#[test]
fn every_key_can_be_overridden_with_its_own_value() {
    let base = shipped(&[]);
    for key in &base.keys {
        let loaded = base
            .with(&[set(&key.key, key.value.clone())])
            .unwrap_or_else(|report| panic!("{}: {report}", key.key));
        assert_eq!(loaded.effective, base.effective, "{}", key.key);
        assert_eq!(origin(&loaded, &key.key), Origin::Override, "{}", key.key);
    }
}

#[test]
fn a_list_with_commas_in_it_is_one_value() {
    let key = "downstream.pricing.urls";
    let text = config::default_text().replace("url = \"http://127.0.0.1:7102\"\n", "urls = []\n");
    let urls = json!(["http://127.0.0.1:1/a,b", "http://127.0.0.1:2"]);
    let env = [(
        "GATEWAY__DOWNSTREAM__PRICING__URLS".to_owned(),
        "http://127.0.0.1:9".to_owned(),
    )];
    let base = config::load_text("c.toml", &text, &env).unwrap();
    let loaded = base.with(&[set(key, urls.clone())]).unwrap();
    assert_eq!(loaded.effective["downstream"]["pricing"]["urls"], urls);
}

#[test]
fn an_override_is_refused_as_the_file_would_be_and_the_file_is_not_blamed() {
    let text = refused(&[set("page.product-page.max_wait", json!(20))]);
    assert!(text.contains("`page.product-page.max_wait`: "), "{text}");
    assert!(
        text.contains("from an override: page.product-page.max_wait=\"20\""),
        "{text}"
    );
    assert!(text.contains("help: set it to `20ms`"), "{text}");
    assert!(!text.contains("-->"), "{text}");
    // A rule between two keys of a section.
    let text = refused(&[set("page.product-page.reserve", json!("1s"))]);
    assert!(
        text.contains("from an override: page.product-page.reserve=\"1s\""),
        "{text}"
    );
    // One between sections.
    let text = refused(&[set("admin.listen", json!("127.0.0.1:8080"))]);
    assert!(
        text.contains("both listeners would use port 8080"),
        "{text}"
    );
}

#[test]
fn an_override_that_stands_for_no_key_is_refused_with_the_one_that_was_meant() {
    let text = refused(&[set("page.product-page.max_wiat", json!("20ms"))]);
    assert!(text.contains("stands for no key"), "{text}");
    assert!(
        text.contains("did you mean `page.product-page.max_wait`?"),
        "{text}"
    );
    for no_key in ["page", "page.product-page", "page.other.max_wait", ""] {
        let text = refused(&[set(no_key, json!("20ms"))]);
        assert!(text.contains("stands for no key"), "{no_key}: {text}");
    }
}

#[test]
fn what_an_override_hides_of_the_file_is_still_checked() {
    let text = config::default_text().replace("max_wait = \"50ms\"", "max_wait = \"50\"");
    assert!(config::load_text("c.toml", &text, &[]).is_err());
}

#[test]
fn of_overrides_that_no_longer_fit_the_oldest_that_do_are_kept() {
    let base = shipped(&[]);
    let overrides = [
        set("page.product-page.deadline", json!("2s")),
        set("page.product-page.reserve", json!("1s")),
        set("page.product-page.queue", json!(9)),
    ];
    let (all, misfits) = base.with_those_that_fit(&overrides);
    assert!(misfits.is_empty());
    assert_eq!(all.effective["page"]["product-page"]["reserve"], "1s");
    // Without the first the second asks for more than the whole budget.
    let (rest, misfits) = base.with_those_that_fit(&overrides[1..]);
    let keys: Vec<_> = misfits.iter().map(|misfit| misfit.key.as_str()).collect();
    assert_eq!(keys, ["page.product-page.reserve"]);
    assert!(misfits[0].report.to_string().contains("reserve"));
    assert_eq!(rest.effective["page"]["product-page"]["reserve"], "5ms");
    assert_eq!(rest.effective["page"]["product-page"]["queue"], 9);
}

#[test]
fn faults_are_told_to_machines_with_their_places() {
    let text = "# é\n[page.p]\npath = \"/p\"\nqueue = \"x\"\nfoo = 1\n";
    let report = config::load_text("c.toml", text, &[])
        .map(|_| ())
        .unwrap_err();
    let faults = report.json();
    let mut all = faults.as_array().unwrap().iter();
    let queue = all.find(|fault| fault["line"] == 4).unwrap();
    assert_eq!(
        (&queue["severity"], &queue["file"]),
        (&json!("error"), &json!("c.toml"))
    );
    assert_eq!(queue["column"], 9);
    assert!(queue["what"].as_str().unwrap().contains("page.p.queue"));
    assert!(queue["help"].as_str().is_some());
    assert_eq!(faults.as_array().unwrap().len(), report.len());
}
