//! Whatever a file holds, it is read or refused: no panic, no hang.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test and its helpers fail by panicking"
)]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use gateway::config::{self, default_text, load_file, load_text};
use proptest::prelude::*;

/// A change somebody's finger could make.
#[derive(Clone, Debug)]
enum Slip {
    Remove(usize, usize),
    Insert(usize, String),
    Repeat(usize, usize),
    Value(usize, String),
}

fn slip() -> impl Strategy<Value = Slip> {
    let words = prop::sample::select(vec![
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        ".",
        "\n",
        "#",
        "-",
        "9999999999999999999999",
        "nan",
        "\"none\"",
        "\"\"",
        "[[page]]",
        "[page]",
        "\u{0}",
        "é",
        "\u{feff}",
        "\r",
        "true",
        "1979-05-27",
        "{x}",
        "\"\"\"",
        "0x7f",
        "-0",
        "1e999",
        "params",
        "part",
        "inf",
    ]);
    let word = prop_oneof![words.prop_map(str::to_owned), "\\PC{0,12}"];
    prop_oneof![
        (any::<usize>(), 1..40_usize).prop_map(|(at, n)| Slip::Remove(at, n)),
        (any::<usize>(), word.clone()).prop_map(|(at, word)| Slip::Insert(at, word)),
        (any::<usize>(), 1..200_usize).prop_map(|(at, n)| Slip::Repeat(at, n)),
        (any::<usize>(), word).prop_map(|(at, word)| Slip::Value(at, word)),
    ]
}

fn apply(text: &str, slip: &Slip) -> String {
    let chars: Vec<char> = text.chars().collect();
    let cut = |at: usize, n: usize| {
        let at = at % (chars.len() + 1);
        (at, (at + n).min(chars.len()))
    };
    let join = |parts: [&[char]; 3]| parts.concat().into_iter().collect::<String>();
    match slip {
        Slip::Remove(at, n) => {
            let (at, end) = cut(*at, *n);
            join([&chars[..at], &[], &chars[end..]])
        }
        Slip::Repeat(at, n) => {
            let (at, end) = cut(*at, *n);
            join([&chars[..end], &chars[at..end], &chars[end..]])
        }
        Slip::Insert(at, word) => {
            let (at, _) = cut(*at, 0);
            let word: Vec<char> = word.chars().collect();
            join([&chars[..at], &word, &chars[at..]])
        }
        Slip::Value(at, word) => {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let mut keys: Vec<&mut String> =
                lines.iter_mut().filter(|l| l.contains(" = ")).collect();
            if keys.is_empty() {
                return text.to_owned();
            }
            let n = *at % keys.len();
            let key = keys[n].split(" = ").next().unwrap_or("").to_owned();
            *keys[n] = format!("{key} = {word}");
            lines.join("\n")
        }
    }
}

/// Reads it and renders what was found: both must come to an end.
fn read_and_render(text: &str) {
    match load_text("c.toml", text, &[]) {
        Ok(loaded) => {
            loaded.warnings.render(true);
            let again = toml::to_string(&loaded.effective).unwrap();
            load_text("again.toml", &again, &[]).unwrap();
        }
        Err(report) => {
            assert!(!report.is_empty(), "refused without a reason");
            report.render(true);
            assert!(!report.to_string().is_empty());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slips_of_the_pen_are_refused_or_harmless(slips in prop::collection::vec(slip(), 1..4)) {
        let text = slips.iter().fold(default_text().to_owned(), |text, slip| apply(&text, slip));
        read_and_render(&text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        read_and_render(&text);
    }

    #[test]
    fn any_value_at_any_key_is_read_or_refused(at in any::<usize>(), value in "\\PC{0,40}") {
        read_and_render(&apply(default_text(), &Slip::Value(at, format!("{value:?}"))));
    }

    #[test]
    fn any_variable_is_read_or_refused(value in "\\PC{0,40}", n in 0..8_usize) {
        let names = ["SERVER__LISTEN", "SHED__STATUS", "CLIENTS__RATE", "CLIENTS__IDENTIFY_BY", "TELEMETRY__SAMPLE",
            "PAGE__PRODUCT_PAGE__FORWARD_HEADERS", "PAGE__PRODUCT_PAGE__PARAMS__ID", "DOWNSTREAM__PRICING__URL"];
        let env = [(format!("GATEWAY__{}", names[n]), value)];
        match load_text("c.toml", default_text(), &env) {
            Ok(loaded) => drop(loaded),
            Err(report) => assert!(report.to_string().contains(&env[0].0)),
        }
    }

    #[test]
    fn any_bytes_in_a_file_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.toml");
        fs::write(&path, &bytes).unwrap();
        let report = load_file(&path).map(|_| ()).unwrap_err();
        assert!(!report.to_string().is_empty());
    }
}

#[test]
fn a_file_that_is_not_there_says_how_to_start() {
    let text = load_file("nowhere/config.toml".as_ref())
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(text.contains("cannot read nowhere/config.toml"), "{text}");
    assert!(text.contains("gateway demo"), "{text}");
}

#[test]
fn a_directory_a_device_and_a_huge_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &std::path::Path| load_file(path).map(|_| ()).unwrap_err().to_string();
    assert!(error(folder.path()).contains("is a directory"));
    assert!(error("/dev/zero".as_ref()).contains("neither a file nor a pipe"));
    let huge = folder.path().join("huge.toml");
    fs::write(&huge, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(error(&huge).contains("larger than 1 MiB"));
}

#[test]
fn a_pipe_is_as_good_as_a_file_and_one_that_is_silent_is_an_error() {
    let text = gateway::config::default_text();
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let mkfifo = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(mkfifo.success());
    // Its writer writes in pieces, and more than a pipe holds at once.
    let text_in_pieces = text.to_owned() + &"#".repeat(100_000);
    let written = fifo.clone();
    let writer = std::thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new().write(true).open(written).unwrap();
        for piece in text_in_pieces.as_bytes().chunks(7_001) {
            pipe.write_all(piece).unwrap();
        }
    });
    let loaded = load_file(&fifo).unwrap();
    writer.join().unwrap();
    assert_eq!(loaded.config.pages.len(), 1);

    let error = load_file(&fifo).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("nobody writes to this pipe"), "{error}");
}

#[test]
fn a_dash_stands_for_standard_input() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_gateway"))
        .args(["check", "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = check.stdin.take().unwrap();
    stdin
        .write_all(gateway::config::default_text().as_bytes())
        .unwrap();
    drop(stdin);
    assert!(check.wait_with_output().unwrap().status.success());
}

#[test]
fn a_file_in_another_encoding_names_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.toml");
    fs::write(&path, b"# fine\n# caf\xe9\n").unwrap();
    let text = load_file(&path).map(|_| ()).unwrap_err().to_string();
    assert!(
        text.contains("not UTF-8: byte 12, on line 2, is 0xe9"),
        "{text}"
    );
}

#[test]
fn a_file_with_a_byte_order_mark_and_windows_line_ends_loads() {
    let text = format!("\u{feff}{}", default_text().replace('\n', "\r\n"));
    let loaded = load_text("c.toml", &text, &[]).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(loaded.config.pages.len(), 1);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("a = {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(load_text("c.toml", &deep, &[]).is_err());
    let dotted = format!("{} = 1\n", vec!["a"; 100_000].join("."));
    assert!(load_text("c.toml", &dotted, &[]).is_err());
}

#[test]
fn a_summary_follows_a_good_file_and_the_faults_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let check = |text: &str| {
        fs::write(&path, text).unwrap();
        let mut out = Vec::new();
        let good = config::check(&path, false, &mut out, |_, _| Ok(())).unwrap();
        (good, String::from_utf8(out).unwrap())
    };
    let (good, text) = check(default_text());
    assert!(good && text.contains("no errors, 0 warnings"), "{text}");
    assert!(
        text.contains("64 permits: 800 calls/s at 80ms, 213/s at 300ms"),
        "{text}"
    );
    let (good, text) = check("[page.p]\npath = 1\n");
    assert!(!good && text.contains("2 errors"), "{text}");
}
