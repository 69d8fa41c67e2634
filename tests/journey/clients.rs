//! Real clients against the built server: npm `ws`, Python `websockets`, and the guide's own JavaScript as it
//! stands. The scripts are in `clients/`; `ops/test` installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Setup, stories};

stories!(node_ws, python_websockets, the_guides_snippets);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

#[track_caller]
fn run(mut program: Command, script: &str, shards: u16) {
    let server = Setup::shards(shards).start();
    let output = program
        .arg(clients().join(script))
        .env("BASE", format!("http://{}", server.address))
        .env("USER_TOKEN", server.token("user", 100))
        .env("AGENT_TOKEN", server.token("agent", 1))
        .env("NO_PROXY", "*")
        .output()
        .unwrap_or_else(|error| panic!("{program:?}: {error}; `ops/test` installs the real clients"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}:\n{said}");
    assert!(said.contains("all well"), "{script} did not come to its end:\n{said}");
}

fn node_ws(shards: u16) {
    run(Command::new("node"), "journey.mjs", shards);
}

fn python_websockets(shards: u16) {
    run(Command::new(clients().join(".venv/bin/python")), "journey.py", shards);
}

fn the_guides_snippets(shards: u16) {
    run(Command::new("node"), "guide.mjs", shards);
}
