//! Real clients against the built server: npm `ws`, Python `websockets`, and the guides' own JavaScript as it
//! stands; guide 3's page in a real browser. The scripts are in `clients/`; `ops/test` installs what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Setup, stories};

stories!(
    node_ws,
    python_websockets,
    the_guides_snippets,
    guide_1_with_node_ws,
    guide_3_javascript_class,
    guide_3_react_hook,
    guide_3_whatsapp_class,
    guide_3_reconnecting,
    guide_3_page_in_chromium
);

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

#[track_caller]
fn run(program: Command, script: &str, shards: u16) {
    run_part(program, script, &[], shards);
}

#[track_caller]
fn run_part(mut program: Command, script: &str, arguments: &[&str], shards: u16) {
    let server = Setup::shards(shards).start();
    let output = program
        .arg(clients().join(script))
        .args(arguments)
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

fn guide_1_with_node_ws(shards: u16) {
    run(Command::new("node"), "bytedesk.mjs", shards);
}

fn guide_3_javascript_class(shards: u16) {
    run_part(Command::new("node"), "webchat.mjs", &["class"], shards);
}

fn guide_3_react_hook(shards: u16) {
    run_part(Command::new("node"), "webchat.mjs", &["hook"], shards);
}

fn guide_3_whatsapp_class(shards: u16) {
    run_part(Command::new("node"), "webchat.mjs", &["whatsapp"], shards);
}

fn guide_3_reconnecting(shards: u16) {
    run_part(Command::new("node"), "webchat.mjs", &["retry"], shards);
}

/// The screenshot stays in the build's own folder for temporary files.
fn guide_3_page_in_chromium(shards: u16) {
    let Some(chromium) = chromium() else {
        let missing = "NO CHROMIUM: guide 3's page was NOT tried in a browser; install chromium or set CHROMIUM";
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("\n!!!!!!!! {missing} !!!!!!!!\n");
        return;
    };
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("webchat-{shards}"));
    let mut node = Command::new("node");
    node.env("CHROMIUM", chromium).env("OUTPUT", &output);
    run_part(node, "webchat.mjs", &["page"], shards);
    assert!(output.join("page.png").metadata().is_ok_and(|file| file.len() > 1000), "no screenshot");
}

fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].map(PathBuf::from);
    named.into_iter().chain(places).find(|path| path.exists())
}
