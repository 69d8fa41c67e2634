//! The rules of the house that no compiler checks. Each failure names the rule, the reason and the way out;
//! each rule has a bad sample that it must find. Knows the tree by its paths, and no code.

use std::fs;
use std::path::Path;

use crate::harness::server::root;

/// Lines of a file: 400 are comfortable, this is the end.
const FILE_MAX_LINES: usize = 800;
/// Lines of a function, its first and last included.
const FUNCTION_MAX_LINES: usize = 70;

/// What may lie at the top; a new entry is a decision.
const TOP: [&str; 14] = [
    ".ci",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "clippy.toml",
    "deny.toml",
    "ops",
    "protocol",
    "rustfmt.toml",
    "server",
    "storage",
];
/// See [`TOP`].
const TOP_TOO: [&str; 2] = ["loadtest", "tests"];
/// What is made by tools and belongs to nobody.
const MADE: [&str; 7] = [".git", "target", "data", "node_modules", ".venv", "__pycache__", ".mirror"];
/// Where `unsafe` may stand. The last is no part of the product: the floor it is measured against calls epoll itself.
const UNSAFE: [&str; 3] = ["server/src/runtime/", "protocol/src/frame/mask.rs", "benches/peers/src/epoll.rs"];
/// Where tokio may stand. The last two are no part of the product: a proxy of the tests, and peers that are servers on
/// tokio.
const TOKIO: [&str; 5] = [
    "storage/src/scylla/",
    "server/src/webhook/",
    "server/src/cluster/",
    "storage/tests/suite/",
    "benches/peers/src/bin/",
];
/// The parts that only think.
const PURE: [&str; 2] = ["protocol/src/", "server/domain/src/"];

struct File {
    /// From the top of the repository, with `/`.
    path: String,
    text: String,
}

struct Tree(Vec<File>);

struct Rule {
    name: &'static str,
    reason: &'static str,
    way_out: &'static str,
    check: fn(&Tree, &mut Vec<String>),
    /// A file or files that break it.
    bad: &'static [(&'static str, &'static str)],
}

const RULES: &[Rule] = &[
    Rule {
        name: "every Rust file begins with `//!`",
        reason: "a reader must learn in one sentence what a file is for and what it must not know",
        way_out: "write that sentence on the first line",
        check: begins_with_its_purpose,
        bad: &[("server/src/a.rs", "use std::fmt;\n")],
    },
    Rule {
        name: "files end at 800 lines",
        reason: "longer files hold more than one thing (craft.md, 8)",
        way_out: "split it by what its parts are for",
        check: file_length,
        bad: &[("server/src/a.rs", include_str!("tidy.rs"))],
    },
    Rule {
        name: "functions end at 70 lines",
        reason: "a function that does not fit a screen is not read (craft.md, 8)",
        way_out: "name its steps and give each a function",
        check: function_length,
        bad: &[(
            "server/src/a.rs",
            "//! a\nfn long() {\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n}\n",
        )],
    },
    Rule {
        name: "glommio only in server/src/runtime/",
        reason: "the executor can be replaced only while one folder knows it",
        way_out: "give runtime/ a function for what you need and call that",
        check: |tree, found| only_in(tree, "glommio", &["server/src/runtime/"], found),
        bad: &[("server/src/shard/pump.rs", "//! a\nuse glommio::Task;\n")],
    },
    Rule {
        name: "tokio only in scylla/, webhook/, cluster/, the tests of storage and the peers of benches/",
        reason: "two executors on one thread wait for each other",
        way_out: "put it on a thread of its own behind a bounded queue, in one of these folders",
        check: |tree, found| only_in(tree, "tokio", &TOKIO, found),
        bad: &[("storage/src/embedded/mod.rs", "//! a\nuse tokio::sync::mpsc;\n")],
    },
    Rule {
        name: "protocol and domain only think",
        reason: "what decides is tested in simulated time, so it must have no clock, IO, thread, chance, log or metric",
        way_out: "take the value as an argument, or return it as an effect",
        check: pure_parts,
        bad: &[
            ("server/domain/src/desk.rs", "//! a\nlet now = std::time::Instant::now();\n"),
            ("protocol/Cargo.toml", "[dependencies]\ntracing.workspace = true\n"),
        ],
    },
    Rule {
        name: "unsafe only in server/src/runtime/, protocol/src/frame/mask.rs and benches/peers/src/epoll.rs",
        reason: "each such block is a proof somebody must check; they stay few and in known places",
        way_out: "use a safe crate, or move the block into runtime/ behind a safe function",
        check: unsafe_places,
        bad: &[("server/src/shard/mail.rs", "//! a\nlet x = unsafe { *p };\n")],
    },
    Rule {
        name: "dialect folders are alike",
        reason: "who knows one dialect must find his way in each (craft.md, 3)",
        way_out: "add the missing file: wire.rs, decode.rs, encode.rs, tests.rs, fixtures/, openapi.json; with a WebSocket also session.rs, client.rs and asyncapi.json",
        check: dialects_alike,
        bad: &[("protocol/src/dialect/kefu/wire.rs", "//! a\n"), ("protocol/src/dialect/kefu/decode.rs", "//! a\n")],
    },
    Rule {
        name: "paths named in README.md exist",
        reason: "a map that lies is worse than none",
        way_out: "correct the path in README.md",
        check: readme_paths,
        bad: &[("README.md", "see `server/src/nowhere.rs`\n"), ("server/src/main.rs", "//! a\n")],
    },
    Rule {
        name: "no leftovers",
        reason: "what is unfinished or switched off belongs to no commit",
        way_out: "finish it, or take it out; what is for later is an issue",
        check: leftovers,
        bad: &[("server/src/a.rs", concat!("//! a\nfn f() {\n    to", "do!()\n}\n"))],
    },
    Rule {
        name: "the top folder holds the agreed entries",
        reason: "the first look at the repository is its table of contents",
        way_out: "put the file into the folder it belongs to, or decide on a new entry (tests/tidy.rs, TOP)",
        check: top_entries,
        bad: &[("notes.txt", "x\n")],
    },
    Rule {
        name: "no names of registries' hosts or of writing tools",
        reason: "the repository builds wherever a toolchain's own configuration points",
        way_out: "take the name out; for lock files see the client's option that omits resolved URLs",
        check: foreign_names,
        bad: &[("ops/test", concat!("npm install --registry https://registry.npm", "js.org\n"))],
    },
];

#[test]
fn the_house_is_tidy() {
    let tree = Tree::read(root());
    assert!(tree.0.len() > 30, "the tree was not found");
    let mut report = String::new();
    for rule in RULES {
        let mut found = Vec::new();
        (rule.check)(&tree, &mut found);
        if !found.is_empty() {
            report
                .push_str(&format!("\nrule: {}\n  because {}\n  way out: {}\n", rule.name, rule.reason, rule.way_out));
            found.iter().for_each(|line| report.push_str(&format!("  - {line}\n")));
        }
    }
    assert!(report.is_empty(), "{report}");
}

#[test]
fn every_rule_finds_its_bad_sample() {
    for rule in RULES {
        for missing in 0..rule.bad.len().min(2) {
            // Each bad file alone must be found where a rule has several independent ones.
            let files = rule.bad.iter().skip(if rule.name.starts_with("protocol") { missing } else { 0 });
            let tree =
                Tree(files.map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() }).collect());
            let mut found = Vec::new();
            // This file itself is too short to break the rule of length: ten of them are not.
            let tree = if rule.name.starts_with("files end") { tree.repeated(10) } else { tree };
            (rule.check)(&tree, &mut found);
            assert!(!found.is_empty(), "the rule \"{}\" overlooks its bad sample", rule.name);
        }
    }
}

#[test]
fn comments_and_words_are_told_apart() {
    assert!(has_word("use tokio::x;", "tokio") && !has_word("tokiota", "tokio") && !has_word("x_tokio", "tokio"));
    assert_eq!(code("let x = 1; // unsafe"), "let x = 1; ");
    assert_eq!(code("let u = \"http://x\";"), "let u = \"http://x\";");
    assert_eq!(outside_tests("a\n#[cfg(test)]\nmod tests {\nb\n}\n").count(), 1);
}

impl Tree {
    fn read(top: &Path) -> Self {
        let mut files = Vec::new();
        read_folder(top, "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self(files)
    }

    fn repeated(self, times: usize) -> Self {
        Self(self.0.into_iter().map(|file| File { text: file.text.repeat(times), ..file }).collect())
    }

    fn rust(&self) -> impl Iterator<Item = &File> {
        self.0.iter().filter(|file| file.path.ends_with(".rs"))
    }

    fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.0.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

fn read_folder(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository").map_while(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if MADE.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            read_folder(&entry.path(), &format!("{path}/"), files);
        } else {
            let text = fs::read(entry.path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            files.push(File { path, text: text.unwrap_or_default() });
        }
    }
}

fn begins_with_its_purpose(tree: &Tree, found: &mut Vec<String>) {
    found.extend(tree.rust().filter(|file| !file.text.starts_with("//! ")).map(|file| file.path.clone()));
}

fn file_length(tree: &Tree, found: &mut Vec<String>) {
    let written = |file: &&File| [".rs", ".mjs", ".py"].iter().any(|end| file.path.ends_with(end)) || is_script(file);
    for file in tree.0.iter().filter(written) {
        let lines = file.text.lines().count();
        if lines > FILE_MAX_LINES {
            found.push(format!("{}: {lines} lines", file.path));
        }
    }
}

fn is_script(file: &File) -> bool {
    file.text.starts_with("#!")
}

/// By indentation, which `cargo fmt` keeps: a function ends at the brace in its own column.
fn function_length(tree: &Tree, found: &mut Vec<String>) {
    for file in tree.rust() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (first, line) in lines.iter().enumerate() {
            let body = line.trim_start();
            let indent = line.len() - body.len();
            let words = body.split('(').next().unwrap_or_default();
            if !has_word(words, "fn") || body.starts_with("//") || body.ends_with(';') || body.ends_with('}') {
                continue;
            }
            let end = lines[first..].iter().position(|line| {
                line.starts_with('}') && indent == 0 || {
                    line.len() > indent && line.as_bytes()[indent] == b'}' && line[..indent].trim().is_empty()
                }
            });
            let length = end.unwrap_or(0) + 1;
            if length > FUNCTION_MAX_LINES {
                found.push(format!("{}:{}: {length} lines", file.path, first + 1));
            }
        }
    }
}

fn only_in(tree: &Tree, word: &str, places: &[&str], found: &mut Vec<String>) {
    for file in tree.rust().filter(|file| !places.iter().any(|place| file.path.starts_with(place))) {
        if file.path == "tests/tidy.rs" {
            continue;
        }
        report_lines(file, file.text.lines().enumerate(), |line| has_word(line, word), found);
    }
}

fn pure_parts(tree: &Tree, found: &mut Vec<String>) {
    const WORDS: [&str; 16] = [
        "std::time",
        "std::net",
        "std::fs",
        "std::thread",
        "std::env",
        "std::process",
        "SystemTime",
        "Instant",
        "rand",
        "tracing",
        "println",
        "eprintln",
        "Mutex",
        "async",
        "Zoned::now",
        "crossbeam_channel",
    ];
    const CRATES: [&str; 8] = [
        "glommio",
        "tokio",
        "tracing",
        "rand",
        "getrandom",
        "crossbeam-channel",
        "prometheus-client",
        "switchboard-storage",
    ];
    for file in tree.rust().filter(|file| PURE.iter().any(|place| file.path.starts_with(place)) && !is_test(&file.path))
    {
        report_lines(file, outside_tests(&file.text), |line| WORDS.iter().any(|word| has_word(line, word)), found);
    }
    for manifest in
        tree.0.iter().filter(|file| ["protocol/Cargo.toml", "server/domain/Cargo.toml"].contains(&&*file.path))
    {
        let section = manifest.text.split("[dependencies]").nth(1).unwrap_or_default();
        let section = section.split("\n[").next().unwrap_or_default();
        for line in section.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if CRATES.contains(&name) {
                found.push(format!("{}: depends on {name}", manifest.path));
            }
        }
    }
}

fn unsafe_places(tree: &Tree, found: &mut Vec<String>) {
    for file in tree.rust().filter(|file| file.path != "tests/tidy.rs") {
        let allowed = UNSAFE.iter().any(|place| file.path.starts_with(place));
        if !allowed {
            report_lines(file, file.text.lines().enumerate(), |line| has_word(line, "unsafe"), found);
            report_lines(file, file.text.lines().enumerate(), |line| line.contains("allow(unsafe_code"), found);
        }
    }
}

fn dialects_alike(tree: &Tree, found: &mut Vec<String>) {
    const HOME: &str = "protocol/src/dialect/";
    let mut folders: Vec<&str> = tree
        .0
        .iter()
        .filter_map(|file| file.path.strip_prefix(HOME)?.split_once('/').map(|(folder, _)| folder))
        .collect();
    folders.dedup();
    for folder in folders {
        let has = |name: &str| tree.has(&format!("{HOME}{folder}/{name}"));
        let missing = |name: &str| format!("{HOME}{folder}/ has no {name}");
        for name in ["wire.rs", "decode.rs", "encode.rs", "fixtures", "openapi.json"] {
            if !has(name) {
                found.push(missing(name));
            }
        }
        if !has("tests.rs") && !has("tests") {
            found.push(missing("tests.rs"));
        }
        let socket = ["session.rs", "client.rs", "asyncapi.json"];
        if socket.iter().any(|name| has(name)) || folder == "kefu" {
            found.extend(socket.iter().filter(|name| !has(name)).map(|name| missing(name)));
        }
    }
}

fn readme_paths(tree: &Tree, found: &mut Vec<String>) {
    let Some(readme) = tree.0.iter().find(|file| file.path == "README.md") else {
        found.push("README.md is missing".to_owned());
        return;
    };
    let linked = readme.text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let quoted = readme.text.split('`').skip(1).step_by(2).flat_map(|code| code.split([' ', ',', ':']));
    for path in linked.chain(quoted) {
        let known_top = path.split_once('/').is_some_and(|(top, _)| TOP.contains(&top) || TOP_TOO.contains(&top));
        let pattern = path.contains(['{', '*', '<', '…', '$']);
        if known_top && !pattern && !tree.has(path.trim_start_matches("./")) {
            found.push(format!("README.md names {path}"));
        }
    }
}

fn leftovers(tree: &Tree, found: &mut Vec<String>) {
    let marks = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("db", "g!("),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    let binary = |file: &&File| !file.path.ends_with(".bin") && file.path != "Cargo.lock";
    for file in tree.0.iter().filter(binary) {
        for (number, line) in file.text.lines().enumerate() {
            let words =
                marks.iter().any(|mark| if mark.ends_with('(') { line.contains(mark) } else { has_word(line, mark) });
            if words || file.path.ends_with(".rs") && is_switched_off(line) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
}

/// Code behind `//`: modest, it looks for statements.
fn is_switched_off(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("// ") else { return false };
    let starts = ["let ", "fn ", "pub ", "use ", "self.", "return ", "assert", "for ", "impl ", "#["];
    starts.iter().any(|start| rest.starts_with(start)) && rest.ends_with([';', '{', ']'])
}

fn top_entries(tree: &Tree, found: &mut Vec<String>) {
    let mut tops: Vec<&str> = tree.0.iter().filter_map(|file| file.path.split('/').next()).collect();
    tops.dedup();
    found.extend(tops.iter().filter(|top| !TOP.contains(top) && !TOP_TOO.contains(top)).map(|top| (*top).to_owned()));
}

fn foreign_names(tree: &Tree, found: &mut Vec<String>) {
    let names = [
        concat!("registry.npm", "js"),
        concat!("py", "pi.org"),
        concat!("python", "hosted"),
        concat!("static.crates", ".io"),
        concat!("index.crates", ".io"),
        concat!("proxy.go", "lang"),
        concat!("arti", "factory"),
        concat!("npm", "mirror"),
        concat!("anth", "ropic"),
        concat!("cla", "ude"),
        concat!("chat", "gpt"),
        concat!("co", "pilot"),
    ];
    for file in &tree.0 {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.to_lowercase();
            if names.iter().any(|name| line.contains(name)) {
                found.push(format!("{}:{}", file.path, number + 1));
            }
        }
    }
}

fn report_lines<'a>(
    file: &File,
    lines: impl Iterator<Item = (usize, &'a str)>,
    breaks: impl Fn(&str) -> bool,
    found: &mut Vec<String>,
) {
    let bad = lines.filter(|(_, line)| breaks(code(line)));
    found.extend(bad.map(|(number, line)| format!("{}:{}: {}", file.path, number + 1, line.trim())));
}

/// A line without its comment. (`://` begins none.)
fn code(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| *at == 0 || line.as_bytes()[at - 1] != b':');
    comment.map_or(line, |(at, _)| &line[..at])
}

/// The numbered lines before a file's own test module.
fn outside_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/") || path.contains("/fixtures/")
}

fn has_word(line: &str, word: &str) -> bool {
    let inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    line.match_indices(word).any(|(at, _)| {
        let bytes = line.as_bytes();
        !inside(at.checked_sub(1).and_then(|before| bytes.get(before))) && !inside(bytes.get(at + word.len()))
    })
}
