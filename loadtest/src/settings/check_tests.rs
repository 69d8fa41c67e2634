//! Every way in which settings make no run, and that the message says what would.

use super::*;
use crate::wire::Dialect;

const ROOM: Room = Room { open_files: 20_000, ports: 28_232 };

fn settings() -> Settings {
    super::super::tests::settings(0, 1)
}

fn phase(rate_from: f64, rate_to: f64) -> Phase {
    Phase { name: "steady".to_owned(), duration: Duration::from_secs(10), rate_from, rate_to }
}

fn refused(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = settings();
    change(&mut settings);
    settings.check(&ROOM).unwrap_err().to_string()
}

#[test]
fn sound_settings_pass() {
    settings().check(&ROOM).unwrap();
    let closed = Settings { closed_window: Some(8), phases: vec![phase(0.0, 0.0)], ..settings() };
    closed.check(&ROOM).unwrap();
    let ramps = Settings { phases: vec![phase(0.0, 5.0), phase(5.0, 0.0)], ..settings() };
    ramps.check(&ROOM).unwrap();
}

#[test]
fn nothing_is_zero_that_must_not_be() {
    assert_eq!(refused(|settings| settings.connections = 0), "--connections must be at least 1");
    assert_eq!(refused(|settings| settings.processes = 0), "--processes must be at least 1");
    assert_eq!(refused(|settings| settings.closed_window = Some(0)), "--closed must be at least 1");
    assert!(refused(|settings| settings.phases.clear()).contains("no phase"));
    assert!(refused(|settings| settings.phases[0].duration = Duration::ZERO).contains("no duration"));
    assert!(refused(|settings| settings.max_lag = Duration::ZERO).contains("--max-lag"));
    assert!(refused(|settings| settings.idle = 100).contains("--idle"));
    assert!(refused(|settings| settings.dialect = Dialect::Echo).contains("no desk"));
    assert!(refused(|settings| settings.id_base = 0).contains("--id-base"));
    assert!(refused(|settings| settings.id_base = ID_END - 109).contains("--id-base"));
}

#[test]
fn a_schedule_has_a_rate() {
    for (from, to) in [(0.0, 0.0), (-1.0, 5.0), (f64::NAN, 1.0), (1.0, f64::NAN), (1.0, f64::INFINITY)] {
        let text = refused(|settings| settings.phases = vec![phase(from, to)]);
        assert!(text.contains("`steady`") && text.contains("--closed"), "{from} to {to}: {text}");
    }
}

#[test]
fn a_payload_carries_its_number_and_fits() {
    let smallest = u32::try_from(CONTENT_MIN_BYTES).unwrap();
    assert!(refused(|settings| settings.payload_bytes = smallest - 1).contains("--payload"));
    assert!(refused(|settings| settings.payload_bytes = PAYLOAD_MAX_BYTES + 1).contains("--payload"));
}

#[test]
fn what_a_dialect_has_no_words_for_is_refused() {
    let multichannel = Dialect::Multichannel;
    let agents_only = Settings { dialect: multichannel, agent_dialect: multichannel, ..settings() };
    agents_only.check(&ROOM).unwrap();
    let queue = Settings { scenario: ScenarioKind::Queue, ..agents_only.clone() };
    assert!(queue.check(&ROOM).unwrap_err().to_string().contains("another --agent-dialect"));
    Settings { agent_dialect: Dialect::Kefu, ..queue }.check(&ROOM).unwrap();
    let long = Settings { payload_bytes: 4097, ..agents_only.clone() };
    assert!(long.check(&ROOM).unwrap_err().to_string().contains("4096 bytes"));
    // Where nobody writes, nothing is too long.
    Settings { scenario: ScenarioKind::Heartbeat, ..long }.check(&ROOM).unwrap();
    assert!(refused(|settings| settings.agent_dialect = Dialect::Echo).contains("nobody is an agent"));
    let mut placed = agents_only;
    placed.target.path = Some("/ws".to_owned());
    assert!(placed.check(&ROOM).unwrap_err().to_string().contains("each has its own path"));
}

#[test]
fn results_name_both_sides() {
    use Dialect::{Echo, Kefu, Multichannel, Webchat};
    use ScenarioKind::{Chat, Fanout, Heartbeat};
    for (scenario, dialect, agent_dialect, named) in [
        (Chat, Kefu, Kefu, "kefu"),
        (Chat, Multichannel, Multichannel, "kefu+multichannel"),
        (Chat, Multichannel, Kefu, "kefu"),
        (Chat, Webchat, Multichannel, "webchat+multichannel"),
        (Fanout, Webchat, Kefu, "webchat+kefu"),
        (Fanout, Echo, Echo, "echo"),
        (Heartbeat, Multichannel, Kefu, "multichannel"),
    ] {
        assert_eq!(Settings { scenario, dialect, agent_dialect, ..settings() }.dialects(), named);
    }
}

#[test]
fn too_many_sockets_say_how_many_processes_would_do() {
    // 50,000 customers and 10 agents; 20,000 less 64 a process.
    let text = refused(|settings| settings.connections = 50_000);
    assert!(text.contains("--processes 3 would do"), "{text}");
    let many = Settings { connections: 50_000, processes: 3, ..settings() };
    let text = many.check(&ROOM).unwrap_err().to_string();
    assert!(text.contains("--source-addrs 127.0.0.2-127.0.0.3"), "{text}");
    let source_addrs = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap()];
    Settings { source_addrs, ..many }.check(&ROOM).unwrap();
}

#[test]
fn who_writes_over_http_has_a_second_connection() {
    let room = Room { open_files: 64 + 110, ..ROOM };
    settings().check(&room).unwrap();
    let text = Settings { agent_dialect: Dialect::Multichannel, ..settings() }.check(&room).unwrap_err().to_string();
    assert!(text.starts_with("120 sockets"), "{text}");
}

#[test]
fn source_addresses_are_of_the_targets_family() {
    let text = refused(|settings| settings.source_addrs = vec!["::1".parse().unwrap()]);
    assert_eq!(text, "the source address ::1 cannot reach 127.0.0.1");
}

#[test]
fn a_mix_has_something_to_do() {
    let none = Mix { ping: 0.0, customer: 0.0, agent: 0.0, read: 0.0, sync: 0.0, reconnect: 0.0 };
    assert!(refused(|settings| settings.mix = none).contains("weights"));
    assert!(refused(|settings| settings.mix.ping = -1.0).contains("weights"));
    assert!(refused(|settings| settings.mix.ping = f64::NAN).contains("weights"));
}

#[test]
fn a_secret_is_passed_on_and_not_shown() {
    let settings = settings();
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    let text = serde_json::to_string(&settings).unwrap();
    let back: Settings = serde_json::from_str(&text).unwrap();
    assert_eq!(back.key.unwrap().expose(), "0123456789abcdef0123456789abcdef");
}
