//! What a WebSocket frame costs: read, unmasked and checked; many in one read; written. Payloads are Chinese text
//! and JSON, since checking UTF-8 is the larger part of reading. Must not know dialects.
#![allow(missing_docs)]

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use switchboard_protocol::frame::{
    Assembler, Incoming, Limits, Opcode, Role, apply_mask, write_frame, write_frame_with, write_masked,
};
use switchboard_protocol::model::limits::MESSAGE_MAX_BYTES;

const LIMITS: Limits = Limits { message_max_bytes: MESSAGE_MAX_BYTES, binary: false, role: Role::Server };
/// A read unmasks its input in place. With this key the bytes stay what they are, so that one input can be read again
/// and again; the work is that of any other key.
const SAME: [u8; 4] = [0; 4];
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const SIZES: [(&str, usize); 3] = [("20 B", 20), ("200 B", 200), ("64 KiB", MESSAGE_MAX_BYTES)];
const BURST_FRAMES: usize = 100;

/// So many bytes of JSON around Chinese text.
fn text(bytes: usize) -> Vec<u8> {
    let mut text = br#"{"content":""#.to_vec();
    while text.len() + 5 <= bytes {
        text.extend_from_slice("客".as_bytes());
    }
    text.extend_from_slice(br#""}"#);
    text.resize(bytes, b' ');
    text
}

/// A client's frame around a text.
fn masked(text: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = Vec::new();
    write_masked(&mut frame, Opcode::Text, true, text, key);
    frame
}

/// Reads what arrived; how many messages it held and how many bytes they had together.
fn read(assembler: &mut Assembler, input: &mut [u8]) -> (usize, usize) {
    let (mut messages, mut bytes) = (0, 0);
    let mut sink = |incoming: Incoming<'_>| {
        let Incoming::Text(text) = incoming else { unreachable!("only texts are sent") };
        messages += 1;
        bytes += black_box(text).len();
        ControlFlow::Continue(())
    };
    let used = assembler.feed(input, &LIMITS, &mut sink).expect("the frames are valid");
    assert_eq!(used, input.len());
    (messages, bytes)
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames/decode");
    let mut assembler = Assembler::default();
    for (name, size) in SIZES {
        assert_eq!(read(&mut assembler, &mut masked(&text(size), KEY)), (1, size), "any other key is read alike");
        let mut frame = masked(&text(size), SAME);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |b| {
            b.iter(|| assert_eq!(read(&mut assembler, black_box(&mut frame)).0, 1));
        });
    }

    let mut frame = masked(&text(200), SAME);
    let (head, tail) = frame.split_at_mut(100);
    group.throughput(Throughput::Bytes(200));
    group.bench_function("200 B in two reads", |b| {
        b.iter(|| {
            assert_eq!(read(&mut assembler, black_box(&mut *head)).0, 0);
            assert_eq!(read(&mut assembler, black_box(&mut *tail)).0, 1);
        });
    });

    let mut burst = masked(&text(200), SAME).repeat(BURST_FRAMES);
    group.throughput(Throughput::Elements(BURST_FRAMES as u64));
    group.bench_function("100 of 200 B in one read", |b| {
        b.iter(|| assert_eq!(read(&mut assembler, black_box(&mut burst)).0, BURST_FRAMES));
    });
    group.finish();
}

fn unmask(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames/unmask");
    for (name, size) in SIZES {
        let mut data = text(size);
        apply_mask(&mut data, KEY);
        assert_ne!(data, text(size));
        apply_mask(&mut data, KEY);
        assert_eq!(data, text(size), "twice is not at all");
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(name, |b| b.iter(|| apply_mask(black_box(&mut data), black_box(KEY))));
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames/encode");
    let mut out = Vec::new();
    for (name, size) in SIZES {
        let text = text(size);
        write_frame(&mut out, Opcode::Text, &text);
        assert_eq!(&out[out.len() - size..], text);
        let whole = std::mem::take(&mut out);
        write_frame_with(&mut out, Opcode::Text, |out| out.extend_from_slice(&text));
        assert_eq!(out, whole, "both ways to write are one");

        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{name}, known"), |b| {
            b.iter(|| {
                out.clear();
                write_frame(black_box(&mut out), Opcode::Text, black_box(&text));
            });
        });
        group.bench_function(format!("{name}, written in place"), |b| {
            b.iter(|| {
                out.clear();
                write_frame_with(black_box(&mut out), Opcode::Text, |out| out.extend_from_slice(black_box(&text)));
            });
        });
        out.clear();
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = switchboard_benches::quick();
    targets = decode, unmask, encode
}
criterion_main!(benches);
