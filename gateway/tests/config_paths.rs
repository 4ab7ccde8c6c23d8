//! What becomes of names, paths and their order once they are checked.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use gateway::config::{self, Config, Piece};

fn load(text: &str) -> Config {
    config::load_text("c.toml", text, &[])
        .unwrap_or_else(|report| panic!("{report}"))
        .config
}

/// A file of pages without parameters, one for each path.
fn pages(paths: &[&str]) -> String {
    let page = |(i, path): (usize, &&str)| {
        format!(
            "[page.p{i}]\npath = \"{path}\"\n[page.p{i}.part.a]\ndownstream = \"a\"\npath = \"/a\"\n"
        )
    };
    let pages: String = paths.iter().enumerate().map(page).collect();
    format!("[downstream.a]\nurl = \"http://a\"\n{pages}")
}

#[test]
fn everything_stands_in_the_order_of_the_file() {
    let text = "[page.z]\npath = '/z/{x}/{b}'\n\
        [page.z.part.zebra]\ndownstream = 'y'\npath = '/1'\n\
        [page.z.part.ape]\ndownstream = 'x'\npath = '/2'\n\
        [page.a]\npath = '/a'\n[page.a.part.only]\ndownstream = 'x'\npath = '/'\n\
        [downstream.y]\nurl = 'http://y'\n[downstream.x]\nurl = 'http://x'\n";
    let config = load(text);
    let pages: Vec<&str> = config.pages.iter().map(|page| page.name.as_str()).collect();
    assert_eq!(pages, ["z", "a"]);
    let downstreams: Vec<&str> = config.downstreams.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(downstreams, ["y", "x"]);
    let parts = &config.pages[0].parts;
    let named: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(named, ["zebra", "ape"]);
    assert_eq!((parts[0].downstream.0, parts[1].downstream.0), (0, 1));
    let params: Vec<&str> = config.pages[0]
        .path
        .params
        .iter()
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(params, ["x", "b"]);
}

#[test]
fn a_template_is_literals_and_parameters_in_turn() {
    let text =
        pages(&["/shop/{lang}/{id}"]).replace("\"/a\"", "\"/v1/{id}.json?lang={lang}&full=1\"");
    let part = &load(&text).pages[0].parts[0];
    let literal = |text: &str| Piece::Literal(text.to_owned());
    let expected = [
        literal("/v1/"),
        Piece::Param(1),
        literal(".json?lang="),
        Piece::Param(0),
        literal("&full=1"),
    ];
    assert_eq!(part.path.pieces, expected);
}

#[test]
fn paths_that_one_request_could_match_are_refused() {
    for (one, other) in [
        ("/a", "/a"),
        ("/a/{x}", "/a/{y}"),
        ("/a/{x}", "/a/b"),
        ("/{x}/b", "/a/{y}"),
    ] {
        let report = config::load_text("c.toml", &pages(&[one, other]), &[]).unwrap_err();
        assert!(
            report.to_string().contains("a request could match this"),
            "{one} {other}"
        );
    }
    for (one, other) in [
        ("/a", "/b"),
        ("/a/{x}", "/b/{x}"),
        ("/a", "/a/{x}"),
        ("/", "/{x}/y"),
    ] {
        load(&pages(&[one, other]));
    }
}

#[test]
fn paths_that_would_not_arrive_as_written_are_refused() {
    for path in [
        "", "a", "//", "/a/", "/a//b", "/./a", "/a/..", "/a?b", "/a#b", "/a b", "/é", "/a%2fb",
        "/{}", "/{a", "/a}", "/{a}b", "/{a}{b}", "/{a}/{a}", "/{*rest}", "/{1}", "/a\\\\b", "/<a>",
    ] {
        assert!(
            config::load_text("c.toml", &pages(&[path]), &[]).is_err(),
            "{path}"
        );
    }
    for path in ["/", "/a", "/a.b/~c/$d;e=f", "/{a}/{B_2}"] {
        load(&pages(&[path]));
    }
}

#[test]
fn a_duplicate_key_does_not_hide_the_other_faults() {
    let text = format!(
        "[shed]\nstatus = 429\nstatus = 503\n[admin]\nlisten = 1\n{}",
        pages(&["/a"])
    );
    let report = config::load_text("c.toml", &text, &[]).unwrap_err();
    let titles: Vec<_> = report.titles().collect();
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert!(
        titles[0].contains("second time") && titles[1].contains("admin.listen"),
        "{titles:?}"
    );
}
