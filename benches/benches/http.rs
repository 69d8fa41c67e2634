//! What a REST request and an upgrade cost, from bytes to what is asked for; and an answer's bytes.
#![allow(missing_docs)]

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard_protocol::dialect::DialectKind;
use switchboard_protocol::dialect::kefu::decode;
use switchboard_protocol::frame::handshake;
use switchboard_protocol::http::{HeadScan, Method, Query, Request, Response, parse_request};
use switchboard_protocol::model::{Command, ConversationId, Window};

/// As a browser asks: the headers of a current Chrome.
const LIST: &str = "GET /api/kefu/message/list?conversation_id=4096123&page=2&page_size=20 HTTP/1.1\r\n\
    Host: im.example.com\r\n\
    Connection: keep-alive\r\n\
    Authorization: Bearer eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoidXNlciIsInN1YiI6IjEwMCIsImV4cCI6MTczNTc4MzIwMH0.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: application/json\r\n\
    Origin: https://www.example.com\r\n\
    Referer: https://www.example.com/\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: zh-CN,zh;q=0.9\r\n\r\n";
const UPGRADE: &str = "GET /ws?ext=1 HTTP/1.1\r\n\
    Host: im.example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Upgrade: websocket\r\n\
    Origin: https://www.example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: zh-CN,zh;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
/// RFC 6455, section 1.3.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn parse(head: &str) -> Request<'_> {
    parse_request(head.as_bytes(), &mut HeadScan::default()).expect("the request is valid").expect("it is whole")
}

/// What a `list` asks for.
fn list(head: &str) -> Command {
    let request = parse(head);
    let query = Query::parse(request.raw_query).expect("the query is valid");
    decode::list(&|name| query.get(name).map(Cow::from)).expect("the parameters are valid")
}

/// What an upgrade becomes, and the answer that says so.
fn upgrade(head: &str, out: &mut Vec<u8>) -> Option<DialectKind> {
    let request = parse(head);
    let accept = handshake::check(&request).expect("the handshake is valid");
    handshake::write_accept(out, &accept);
    DialectKind::of_upgrade(request.path, &|_| None)
}

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("http");
    let request = parse(LIST);
    assert_eq!((request.method, request.path, request.head_len), (Method::Get, "/api/kefu/message/list", LIST.len()));
    group.throughput(Throughput::Bytes(LIST.len() as u64));
    group.bench_function("parse a request", |b| b.iter(|| parse(black_box(LIST)).head_len));

    let conversation = ConversationId::from_wire(4_096_123).expect("a possible id");
    assert_eq!(list(LIST), Command::History { conversation, window: Window::Page { page: 2, size: 20 } });
    group.bench_function("list: from bytes to a command", |b| b.iter(|| list(black_box(LIST))));

    let mut out = Vec::new();
    assert_eq!(upgrade(UPGRADE, &mut out), Some(DialectKind::Kefu));
    assert!(String::from_utf8_lossy(&out).contains(ACCEPT));
    group.throughput(Throughput::Bytes(UPGRADE.len() as u64));
    group.bench_function("upgrade: from bytes to the answer", |b| {
        b.iter(|| {
            out.clear();
            upgrade(black_box(UPGRADE), &mut out)
        });
    });

    // A page of 20 messages.
    let answer = Response::json(200, vec![b'x'; 6_000]);
    out.clear();
    answer.write_to(&mut out, true, false);
    assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n") && out.ends_with(b"xx"));
    group.throughput(Throughput::Bytes(out.len() as u64));
    group.bench_function("answer of 6 KB", |b| {
        b.iter(|| {
            out.clear();
            black_box(&answer).write_to(&mut out, true, false);
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = requests
}
criterion_main!(benches);
