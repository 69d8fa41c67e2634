//! Tests of HTTP as values, written from RFC 9110 and RFC 9112.

use proptest::prelude::*;

use super::*;
use crate::model::limits::{HTTP_BODY_MAX_BYTES, HTTP_HEAD_MAX_BYTES, HTTP_HEADERS_MAX};

fn parse(head: &str) -> Result<Option<Request<'_>>, HttpError> {
    parse_request(head.as_bytes(), &mut HeadScan::default())
}

fn complete(head: &str) -> Request<'_> {
    parse(head).unwrap().expect("a complete head")
}

#[test]
fn a_request_is_read_whole() {
    let text = "POST /api/v1/agents/7?page=2&name=a%20b HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 5\r\n\
                Authorization: bEARER  abc.def\r\nX-None:\r\n\r\nhello";
    let request = complete(text);
    assert_eq!(request.method, Method::Post);
    assert_eq!((request.path, request.raw_query), ("/api/v1/agents/7", "page=2&name=a%20b"));
    assert_eq!(request.body, BodyFraming::Length(5));
    assert_eq!(&text[request.head_len..], "hello");
    assert_eq!(request.bearer_token(), Some("abc.def"));
    assert_eq!(request.header("x-none"), Some(""));
    assert_eq!(request.header("absent"), None);
    let query = request.query().unwrap();
    assert_eq!((query.get("page"), query.get("name"), query.get("x")), (Some("2"), Some("a b"), None));
    assert!(!request.wants_close() && !request.is_upgrade() && !request.expects_continue());
}

#[test]
fn targets_in_each_form() {
    let split = |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        parse(&text).map(|request| request.map(|r| (r.path.to_owned(), r.raw_query.to_owned())))
    };
    let expect = |path: &str, query: &str| Ok(Some((path.to_owned(), query.to_owned())));
    assert_eq!(split("/"), expect("/", ""));
    assert_eq!(split("/a?b?c"), expect("/a", "b?c"));
    assert_eq!(split("http://h:1/a?b"), expect("/a", "b"));
    assert_eq!(split("HTTP://h"), expect("/", ""));
    assert_eq!(split("http://h?q"), expect("/", "q"));
    assert_eq!(split("a"), Err(HttpError::Target));
    assert_eq!(split("*"), Err(HttpError::Target));
    assert_eq!(split("/a#b"), Err(HttpError::Target));
    assert_eq!(complete("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").path, "*");
}

#[test]
fn keep_alive_follows_version_and_connection() {
    let closes = |version: &str, connection: &str| {
        complete(&format!("GET / {version}\r\nHost: x\r\n{connection}\r\n")).wants_close()
    };
    assert!(!closes("HTTP/1.1", ""));
    assert!(closes("HTTP/1.1", "Connection: foo, Close\r\n"));
    assert!(closes("HTTP/1.0", ""));
    assert!(!closes("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    assert!(!complete("GET / HTTP/1.0\r\n\r\n").is_http11, "HTTP/1.0 needs no Host");
}

#[test]
fn bad_requests_and_their_status() {
    let rows: &[(&str, HttpError, u16)] = &[
        ("GET /\r\nHost: x\r\n\r\n", HttpError::RequestLine, 400),
        ("GET / FOO\r\nHost: x\r\n\r\n", HttpError::RequestLine, 400),
        ("\u{16}\u{3}\u{1}", HttpError::RequestLine, 400),
        ("G<T / HTTP/1.1\r\nHost: x\r\n\r\n", HttpError::RequestLine, 400),
        ("GET / HTTP/1.1\nHost: x\n\n", HttpError::BareLineFeed, 400),
        ("GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", HttpError::BareLineFeed, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\n A: b\r\nHost: x\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", HttpError::Header, 400),
        ("GET / HTTP/1.1\r\n\r\n", HttpError::HostMissing, 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n", HttpError::HostRepeated, 400),
        ("GET / HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n", HttpError::HostRepeated, 400),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            HttpError::ContentLengthRepeated,
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n", HttpError::ContentLength, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", HttpError::ContentLength, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", HttpError::ContentLength, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\n", HttpError::ContentLength, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", HttpError::ContentLength, 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", HttpError::BodyTooLarge, 413),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", HttpError::BodyTooLarge, 413),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            HttpError::LengthAndEncoding,
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", HttpError::TransferEncoding, 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", HttpError::TransferEncoding, 501),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n",
            HttpError::TransferEncoding,
            501,
        ),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", HttpError::EncodingInHttp10, 400),
        ("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", HttpError::Method, 501),
        ("get / HTTP/1.1\r\nHost: x\r\n\r\n", HttpError::Method, 501),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", HttpError::Version, 505),
        ("PRI * HTTP/2.0\r\n\r\n", HttpError::Version, 505),
    ];
    for (text, error, status) in rows {
        assert_eq!(parse(text).err(), Some(*error), "{text:?}");
        assert_eq!(error.status(), *status, "{text:?}");
        let response = Response::from(*error);
        assert_eq!(response.status, *status);
        assert_ne!(reason_phrase(*status), "Unknown");
    }
}

#[test]
fn a_head_is_bounded_in_bytes_and_headers() {
    let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", "b".repeat(1 << 20));
    assert_eq!(parse(&endless).err(), Some(HttpError::HeadTooLarge));
    assert_eq!(HttpError::HeadTooLarge.status(), 431);
    let start = "GET / HTTP/1.1\r\nHost: x\r\nA: ";
    let fitting = format!("{start}{}\r\n\r\n", "b".repeat(HTTP_HEAD_MAX_BYTES - start.len() - 4));
    assert_eq!(complete(&fitting).head_len, HTTP_HEAD_MAX_BYTES);
    let over = format!("{start}{}\r\n\r\n", "b".repeat(HTTP_HEAD_MAX_BYTES - start.len() - 3));
    assert_eq!(parse(&over).err(), Some(HttpError::HeadTooLarge));
    let headers = |n: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(n - 1));
    assert!(parse(&headers(HTTP_HEADERS_MAX)).is_ok());
    assert_eq!(parse(&headers(HTTP_HEADERS_MAX + 1)).err(), Some(HttpError::TooManyHeaders));
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let text = "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(complete(text).head_len, text.len());
    assert_eq!(parse(&"\r\n".repeat(HTTP_HEAD_MAX_BYTES)).err(), Some(HttpError::HeadTooLarge));
}

#[test]
fn a_head_fed_byte_by_byte_is_searched_once() {
    let text = format!("GET /a HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "b".repeat(16_000));
    let mut scan = HeadScan::default();
    for end in 0..text.len() {
        assert!(parse_request(&text.as_bytes()[..end], &mut scan).unwrap().is_none());
    }
    // What is already searched is not looked at again: a line feed put there afterwards goes unnoticed.
    let mut changed = text.clone().into_bytes();
    changed[100] = b'\n';
    let mut late = scan;
    assert_ne!(parse_request(&changed, &mut late).err(), Some(HttpError::BareLineFeed));
    let request = parse_request(text.as_bytes(), &mut scan).unwrap().expect("complete");
    assert_eq!(request.head_len, text.len());
}

#[test]
fn queries_and_percent_encoding() {
    let query = Query::parse("a=1&b&a=2&c=%E4%BD%A0+%2B&=x&&d=e=f").unwrap();
    assert_eq!((query.get("a"), query.get("b"), query.get("c")), (Some("1"), Some(""), Some("你 +")));
    assert_eq!((query.get("d"), query.iter().count()), (Some("e=f"), 6));
    for bad in ["a=%", "a=%4", "a=%zz", "%=1", "a=%ff", "a=%+1"] {
        assert_eq!(Query::parse(bad), Err(HttpError::PercentEncoding), "{bad}");
    }
    assert_eq!(percent_decode("a%2Fb+c").unwrap(), "a/b+c");
    assert_eq!(percent_decode("%C3%28"), Err(HttpError::PercentEncoding));
}

#[test]
fn bearer_tokens() {
    let token = |value: &str| {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {value}\r\n\r\n");
        complete(&text).bearer_token().map(str::to_owned)
    };
    assert_eq!(token("Bearer a.b.c").as_deref(), Some("a.b.c"));
    assert_eq!(token("BEARER a").as_deref(), Some("a"));
    assert_eq!(token("Basic a"), None);
    assert_eq!(token("Bearer"), None);
    assert_eq!(token("Bearer "), None);
}

fn read_chunked(raw: &[u8], pieces: usize) -> Result<(Vec<u8>, usize, bool), HttpError> {
    let mut reader = BodyReader::new(BodyFraming::Chunked);
    let mut used = 0;
    for piece in raw.chunks(pieces) {
        used += reader.feed(piece)?;
    }
    let done = reader.is_done();
    Ok((reader.into_bytes(), used, done))
}

#[test]
fn chunked_bodies() {
    let raw = b"4\r\nWiki\r\n5;x=\"y\"\r\npedia\r\nE\r\n in\r\n\r\nchunks.\r\n000\r\nTrailer: a\r\nB: c\r\n\r\nGET /";
    for pieces in 1..=raw.len() {
        let (body, used, done) = read_chunked(raw, pieces).unwrap();
        assert_eq!((body.as_slice(), done), (b"Wikipedia in\r\n\r\nchunks.".as_slice(), true));
        assert_eq!(used, raw.len() - 5, "what follows is the next request");
    }
    for bad in
        ["\r\n", "g\r\n", "-1\r\n", "0x1\r\n", "1\n", "1\r\r", "1\r\nab\r\n", "1\r\na\n", "0\r\n\n", "1;a\n", ";a\r\n"]
    {
        assert_eq!(read_chunked(bad.as_bytes(), 1).err(), Some(HttpError::Chunk), "{bad:?}");
    }
    assert_eq!(read_chunked(b"00000000000000001", 9).err(), Some(HttpError::Chunk));
    assert_eq!(read_chunked(b"10001\r\n", 9).err(), Some(HttpError::BodyTooLarge));
    assert_eq!(read_chunked(b"ffffffffffffffff\r\n", 9).err(), Some(HttpError::BodyTooLarge));
    let many = "1000\r\n".to_owned() + &"a".repeat(4096) + "\r\n";
    assert_eq!(read_chunked(many.repeat(17).as_bytes(), 999).err(), Some(HttpError::BodyTooLarge));
    assert_eq!(read_chunked(many.repeat(16).as_bytes(), 999).unwrap().0.len(), HTTP_BODY_MAX_BYTES);
    let extension = format!("1;{}", "a".repeat(HTTP_HEAD_MAX_BYTES + 1));
    assert_eq!(read_chunked(extension.as_bytes(), 999).err(), Some(HttpError::HeadTooLarge));
    let trailers = format!("0\r\n{}", "a: b\r\n".repeat(HTTP_HEAD_MAX_BYTES));
    assert_eq!(read_chunked(trailers.as_bytes(), 999).err(), Some(HttpError::HeadTooLarge));
}

#[test]
fn bodies_by_length() {
    let mut reader = BodyReader::new(BodyFraming::Length(5));
    assert_eq!(reader.feed(b"he"), Ok(2));
    assert!(!reader.is_done());
    assert_eq!(reader.feed(b"lloGET"), Ok(3));
    assert!(reader.is_done());
    assert_eq!(reader.feed(b"x"), Ok(0));
    assert_eq!(reader.into_bytes(), b"hello");
    assert!(BodyReader::new(BodyFraming::None).is_done());
}

#[test]
fn responses() {
    let write = |response: &Response, keep_alive, head_only| {
        let mut out = b"before".to_vec();
        response.write_to(&mut out, keep_alive, head_only);
        String::from_utf8(out).unwrap()
    };
    let response = Response::json(200, b"{}".as_slice()).with_header("X-A", "b\r\nEvil: 1");
    let head = "beforeHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                X-A: b  Evil: 1\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(write(&response, true, false), format!("{head}{{}}"));
    assert_eq!(write(&response, true, true), head, "HEAD");
    assert_eq!(
        write(&Response::empty(204), false, false),
        "beforeHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    );
    let problem = problem(404, "Not Found", "no \"such\"\npath");
    let value: serde_json::Value = serde_json::from_slice(&problem.body).unwrap();
    assert_eq!(problem.content_type, Some("application/problem+json"));
    assert_eq!(
        value,
        serde_json::json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "no \"such\"\npath"})
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_split_reads_the_same_request(
        path in "/[a-z0-9/%]{0,20}",
        values in prop::collection::vec("[!-~]{0,30}", 0..20),
        splits in prop::collection::vec(1usize..40, 1..60),
        blank in 0usize..3,
    ) {
        let mut text = "\r\n".repeat(blank);
        text += &format!("PUT {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n");
        for (i, value) in values.iter().enumerate() {
            text += &format!("X-{i}: {value}\r\n");
        }
        text += "\r\n";
        let head_len = text.len();
        text += "abc";
        let (mut scan, mut end) = (HeadScan::default(), 0);
        let request = splits.iter().cycle().find_map(|step| {
            end = (end + step).min(text.len());
            parse_request(&text.as_bytes()[..end], &mut scan).unwrap()
        }).unwrap();
        prop_assert_eq!((request.path, request.head_len), (&*path, head_len));
        for (i, value) in values.iter().enumerate() {
            prop_assert_eq!(request.header(&format!("x-{i}")), Some(&**value));
        }
    }

    #[test]
    fn any_bytes_never_panic_and_any_split_says_the_same(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n:; 0aGET/HTP1.".to_vec())], 0..200),
        pieces in 1usize..20,
    ) {
        let whole = read_chunked(&bytes, bytes.len().max(1));
        prop_assert_eq!(whole, read_chunked(&bytes, pieces));
        let verdict = |result: Result<Option<Request<'_>>, HttpError>| result.map(|r| r.map(|r| r.head_len));
        let whole = verdict(parse_request(&bytes, &mut HeadScan::default()));
        let mut scan = HeadScan::default();
        let mut ends = (1..=bytes.len()).step_by(pieces).chain([bytes.len()]);
        let split = ends.find_map(|end| verdict(parse_request(&bytes[..end], &mut scan)).transpose()).transpose();
        // A head that came in pieces may be refused earlier, by its first byte, for another reason.
        prop_assert_eq!(whole.is_err(), split.is_err());
        if whole.is_ok() {
            prop_assert_eq!(whole, split);
        }
    }

    #[test]
    fn what_is_percent_encoded_comes_back(value in "\\PC{0,20}") {
        let encoded: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
        prop_assert_eq!(percent_decode(&encoded).unwrap(), &*value);
        let raw = format!("a={encoded}");
        let query = Query::parse(&raw).unwrap();
        prop_assert_eq!(query.get("a"), Some(&*value));
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    for text in ["", "cs_001", "客服 1", "a&b=c%+/?#~-._"] {
        let encoded = super::percent_encode(text);
        assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"%-._~".contains(&byte)), "{encoded}");
        assert_eq!(super::percent_decode(&encoded).unwrap(), text);
    }
}
