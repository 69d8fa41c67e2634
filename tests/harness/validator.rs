//! The validators in `clients/`, which share nothing with the server: a script reads what it is given on standard input
//! and ends with "all well".

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::server::root;

/// Runs a script of `clients/` on `given`; its complaints are the test's.
#[track_caller]
pub fn validate(script: &str, given: &Value) {
    let clients = root().join("tests/clients");
    let mut python = Command::new(clients.join(".venv/bin/python"))
        .arg(clients.join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("the validator: {error}; `ops/test` installs it"));
    let mut stdin = python.stdin.take().expect("stdin is piped");
    stdin.write_all(given.to_string().as_bytes()).expect("the validator reads");
    drop(stdin);
    let output = python.wait_with_output().expect("the validator ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("all well"), "{said}");
}
