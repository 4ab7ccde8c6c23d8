//! Answers, whole and broken, in one piece and in many.

use proptest::prelude::*;

use super::*;

const MAX: usize = 1000;

/// What becomes of bytes that arrive in pieces of `size`, and whether the peer then closed.
fn read(bytes: &[u8], size: usize) -> Result<Option<Answer>, Malformed> {
    let mut reader = AnswerReader::new(MAX);
    for (at, piece) in bytes.chunks(size).enumerate() {
        if let Some(mut answer) = reader.take(piece)? {
            // What comes later is as good as left over.
            answer.reusable &= (at + 1) * size >= bytes.len();
            return Ok(Some(answer));
        }
    }
    Ok(reader.end())
}

/// The same however the bytes are cut.
fn whole(bytes: &[u8]) -> Result<Option<Answer>, Malformed> {
    let at_once = read(bytes, bytes.len().max(1));
    for size in [1, 2, 3, 7, 64] {
        assert_eq!(read(bytes, size), at_once, "in pieces of {size}");
    }
    at_once
}

fn answer(bytes: &[u8]) -> Answer {
    whole(bytes).unwrap().expect("the answer is whole")
}

fn body_of(head: &str, body: &str) -> Answer {
    answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}").as_bytes())
}

fn malformed(bytes: &str) -> Malformed {
    whole(bytes.as_bytes()).unwrap_err()
}

#[test]
fn a_length_says_where_the_body_ends() {
    let read = body_of("Content-Length: 7\r\n", "{\"a\":1}");
    assert_eq!(read.status, 200);
    assert_eq!(read.body, r#"{"a":1}"#);
    assert!(read.reusable);
    let same_twice = body_of("content-length: 2\r\ncontent-length: 2, 2\r\n", "{}");
    assert_eq!(
        (same_twice.body.as_ref(), same_twice.reusable),
        (&b"{}"[..], true)
    );
}

#[test]
fn chunks_extensions_and_trailers_are_taken_apart() {
    let chunks = "3;a=b\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nx-trailer: 1\r\n\r\n";
    let read = body_of("Transfer-Encoding: chunked\r\n", chunks);
    assert_eq!(read.body, r#"{"a":1}"#);
    assert!(read.reusable);
}

#[test]
fn without_a_length_the_body_ends_with_the_connection() {
    let read = body_of("", "{}");
    assert_eq!((read.body.as_ref(), read.reusable), (&b"{}"[..], false));
}

#[test]
fn what_is_left_over_ends_the_connection() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}x",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\nHTTP/1.1",
        "HTTP/1.1 204 No Content\r\n\r\n{}",
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n{}",
    ] {
        assert!(!answer(bytes.as_bytes()).reusable, "{bytes:?}");
    }
}

#[test]
fn a_peer_that_wants_to_close_is_believed() {
    for (version, head, reusable) in [
        ("1.1", "", true),
        ("1.1", "connection: close\r\n", false),
        ("1.1", "connection: upgrade, CLOSE\r\n", false),
        ("1.0", "", false),
        ("1.0", "connection: keep-alive\r\n", true),
        ("1.0", "connection: keep-alive, close\r\n", false),
    ] {
        let bytes = format!("HTTP/{version} 200 OK\r\n{head}content-length: 0\r\n\r\n");
        assert_eq!(answer(bytes.as_bytes()).reusable, reusable, "{bytes:?}");
    }
}

#[test]
fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let exact = "x".repeat(MAX);
    assert_eq!(
        body_of(&format!("content-length: {MAX}\r\n"), &exact)
            .body
            .len(),
        MAX
    );
    assert_eq!(body_of("", &exact).body.len(), MAX);
    for bytes in [
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX + 1),
        format!("HTTP/1.1 200 OK\r\n\r\n{exact}x"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e9\r\n{exact}x"),
    ] {
        assert_eq!(malformed(&bytes), Malformed::TooLarge(MAX));
    }
}

#[test]
fn of_an_error_only_the_status_is_read() {
    let bytes = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy";
    let at_once = read(bytes, bytes.len()).unwrap().unwrap();
    assert_eq!(
        (at_once.status, at_once.body.len(), at_once.reusable),
        (503, 0, true)
    );
    // A body that comes later is not waited for, and costs the connection.
    let cut = read(bytes, 40).unwrap().unwrap();
    assert_eq!((cut.status, cut.reusable), (503, false));
    // Not one byte of a body without end is waited for.
    let mut reader = AnswerReader::new(MAX);
    let endless = reader.take(b"HTTP/1.1 500 Oops\r\n\r\n");
    assert!(
        endless
            .unwrap()
            .is_some_and(|read| read.status == 500 && !read.reusable)
    );
}

#[test]
fn interim_answers_are_passed_over_but_not_without_end() {
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let some = format!("HTTP/1.1 100 Continue\r\n\r\n{hint}{hint}{last}");
    assert_eq!(answer(some.as_bytes()).body, "{}");
    let flood = hint.repeat(MAX_INTERIM as usize + 1);
    assert!(matches!(malformed(&flood), Malformed::Framing(_)));
    // A switch of protocols is final, and never asked for.
    let switch = answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!((switch.status, switch.reusable), (101, false));
}

#[test]
fn an_answer_whose_end_cannot_be_told_is_refused() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-2\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}x\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    ] {
        let found = malformed(bytes);
        assert!(
            matches!(found, Malformed::Framing(_)),
            "{bytes:?}: {found:?}"
        );
    }
}

#[test]
fn both_a_length_and_chunks_are_read_once_and_never_reused() {
    let chunks = "2\r\n{}\r\n0\r\n\r\n";
    let read = body_of(
        "content-length: 90\r\ntransfer-encoding: chunked\r\n",
        chunks,
    );
    assert_eq!((read.body.as_ref(), read.reusable), (&b"{}"[..], false));
}

#[test]
fn what_is_not_http_is_said_so() {
    for bytes in [
        "garbage\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname with space: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0\r\n\r\n",
    ] {
        let found = malformed(bytes);
        assert!(
            matches!(found, Malformed::NotHttp(_)),
            "{bytes:?}: {found:?}"
        );
    }
}

#[test]
fn a_truncated_answer_is_none() {
    for bytes in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    ] {
        assert_eq!(whole(bytes.as_bytes()), Ok(None), "{bytes:?}");
    }
}

#[test]
fn heads_have_a_limit_of_bytes_and_one_of_fields() {
    let fields = |count: usize| {
        (0..count)
            .map(|n| format!("x-{n}: 1\r\n"))
            .collect::<String>()
    };
    let with = |fields: String| format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\n{{}}");
    assert_eq!(answer(with(fields(MAX_FIELDS - 1)).as_bytes()).body, "{}");
    assert_eq!(
        malformed(&with(fields(MAX_FIELDS))),
        Malformed::TooManyFields
    );
    let long = |length: usize| with(format!("x: {}\r\n", "a".repeat(length)));
    assert_eq!(answer(long(MAX_HEAD - 100).as_bytes()).body, "{}");
    let too_long = read(long(MAX_HEAD).as_bytes(), 4096);
    assert_eq!(too_long, Err(Malformed::HeadTooLarge));
}

#[test]
fn framing_that_carries_nothing_has_a_limit() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let extension = format!("{head}1;{}\r\n", "a".repeat(5000));
    let trailers = format!("{head}0\r\n{}", "x: 1\r\n".repeat(4000));
    let extensions = format!(
        "{head}{}",
        "1;a=aaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(900)
    );
    for bytes in [extension, trailers, extensions] {
        let found = read(bytes.as_bytes(), 100).unwrap_err();
        assert!(matches!(found, Malformed::Framing(_)), "{found:?}");
    }
    // Chunks of one byte are honest, if odd.
    let tiny = format!("{head}{}0\r\n\r\n", "1\r\nx\r\n".repeat(MAX));
    assert_eq!(
        read(tiny.as_bytes(), 4096).unwrap().unwrap().body.len(),
        MAX
    );
}

#[test]
fn a_peers_idle_limit_and_codings_are_noted() {
    let read = body_of("keep-alive: max=5, timeout=3\r\ncontent-length: 0\r\n", "");
    assert_eq!(read.idle_timeout, Some(Duration::from_secs(3)));
    let read = body_of("content-encoding: gzip\r\ncontent-length: 0\r\n", "");
    assert_eq!(read.coding, Coding::Gzip);
    let read = body_of("content-encoding:\r\ncontent-length: 0\r\n", "");
    assert_eq!(read.coding, Coding::Identity);
}

/// What ureq-proto, another reader of the same bytes, makes of them: status, body.
fn as_read_by_another(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
    let request = http::Request::get("http://a/").body(()).unwrap();
    let mut call = Call::new(request).unwrap().proceed();
    call.write(&mut [0; 1024]).unwrap();
    let Ok(Some(SendRequestResult::RecvResponse(mut call))) = call.proceed() else {
        panic!("a GET is sent in one write");
    };
    let mut input = bytes;
    let status = loop {
        let (used, response) = call.try_response(input, false).ok()?;
        input = &input[used..];
        match response {
            Some(response) => break response.status().as_u16(),
            None if used == 0 => return None,
            None => {}
        }
    };
    let mut body = vec![0; bytes.len()];
    let mut length = 0;
    if let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() {
        loop {
            let (used, read) = call.read(input, &mut body[length..]).ok()?;
            input = &input[used..];
            length += read;
            if used == 0 {
                break;
            }
        }
        if !call.can_proceed() {
            return None;
        }
    }
    body.truncate(length);
    Some((status, body))
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\n",
    ]);
    let field = prop::sample::select(vec![
        "content-length: 2\r\n",
        "content-length: 5\r\n",
        "Content-Length: 2\r\n",
        "transfer-encoding: chunked\r\n",
        "connection: close\r\n",
        "x: y\r\n",
    ]);
    let rest = prop::sample::select(vec![
        "{}",
        "{}",
        "12345",
        "2\r\n{}\r\n0\r\n\r\n",
        "1\r\n7\r\n0\r\na: b\r\n\r\n",
        "",
        "2\r\n{}",
        "g\r\n",
    ]);
    (line, prop::collection::vec(field, 0..3), rest).prop_map(|(line, fields, rest)| {
        format!("{line}{}\r\n{rest}", fields.concat()).into_bytes()
    })
}

proptest! {
    #[test]
    fn an_answer_is_the_same_however_its_bytes_are_cut(bytes in pieces(), size in 1..40_usize) {
        prop_assert_eq!(read(&bytes, size), read(&bytes, bytes.len()));
    }

    #[test]
    fn what_is_accepted_another_reader_reads_alike(bytes in pieces()) {
        if let Ok(Some(mine)) = read(&bytes, bytes.len()) {
            let other = as_read_by_another(&bytes);
            prop_assert_eq!(Some((mine.status, mine.body.to_vec())), other);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1..50_usize) {
        let _ = read(&bytes, size);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let _ = read(&[head, bytes.as_slice()].concat(), size);
    }
}

#[test]
fn what_a_refusal_says_is_kept_also_of_a_head_that_comes_in_pieces_and_of_no_other_answer() {
    let head = "www-authenticate: Bearer\r\nWWW-AUTHENTICATE: Basic realm=\"a\"\r\ncontent-length: 0\r\n\r\n";
    for (status, challenges) in [(401, 2), (403, 2), (200, 0), (404, 0), (429, 0), (503, 0)] {
        let bytes = format!("HTTP/1.1 {status} X\r\n{head}");
        for size in [bytes.len(), 7] {
            let mut reader = AnswerReader::new(10);
            let mut pieces = bytes.as_bytes().chunks(size);
            let read = pieces.find_map(|piece| reader.take(piece).unwrap());
            let fields = read.unwrap().fields;
            let found = fields.map_or(0, |fields| fields.challenges().len());
            assert_eq!(found, challenges, "{status}, {size} bytes at a time");
        }
    }
    // An interim answer is none, whatever it says.
    let interim =
        format!("HTTP/1.1 103 Early Hints\r\n{head}HTTP/1.1 401 X\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(
        answer(interim.replacen("content-length: 0\r\n", "", 1).as_bytes()).fields,
        None
    );
}
