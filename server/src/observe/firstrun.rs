//! What the server prints on standard output when it listens: its addresses, and on the first run tokens
//! and ready-to-paste lines for a first conversation over kefu (guide 2).
//!
//! A pure function from values to text; whoever starts the server prints it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The user of the first run's tokens (guide 2's example).
pub const FIRST_USER_ID: u64 = 100;
/// The agent of the first run's tokens (guide 2's example).
pub const FIRST_AGENT_ID: u64 = 1;
/// The admin of the first run's tokens.
pub const FIRST_ADMIN_ID: u64 = 1;

/// The tokens that the first run shows.
#[derive(Clone, Debug)]
pub struct FirstTokens {
    /// An admin's.
    pub admin: String,
    /// User 100's.
    pub user: String,
    /// Agent 1's.
    pub agent: String,
    /// How long they are valid, as text: `24h`.
    pub ttl: String,
}

/// What every run prints; its first line is `listening on http://ADDR:PORT`, which scripts wait for.
/// `first` is given on the first run only; `program` is how this program was called.
pub fn banner(listening: SocketAddr, program: &str, data_dir: &str, first: Option<&FirstTokens>) -> String {
    let at = reachable(listening);
    let mut text = format!(
        "listening on http://{listening}\n\
         \x20 WebSocket  ws://{at}/ws\n\
         \x20 REST       http://{at}/api/kefu/message/getConversation\n\
         \x20 health     http://{at}/readyz   http://{at}/livez   http://{at}/metrics\n\
         \x20 documents  http://{at}/docs\n"
    );
    if let Some(tokens) = first {
        text.push_str(&first_conversation(at, program, data_dir, tokens));
    }
    text
}

/// An address to connect to: listening on every address is reachable on the loopback one.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

fn first_conversation(at: SocketAddr, program: &str, data_dir: &str, tokens: &FirstTokens) -> String {
    let FirstTokens { admin, user, agent, ttl } = tokens;
    format!(
        r#"
This is the first run. Tokens for trying it out, valid for {ttl}:

  export ADMIN_TOKEN={admin}
  export USER_TOKEN={user}
  export AGENT_TOKEN={agent}

A first conversation. Paste the three lines above into each of two terminals, then:

  1. The agent logs in (terminal 1; stays open and shows what the user says):
     (echo '{{"action":"login","data":{{"token":"'$AGENT_TOKEN'"}}}}'; cat) | websocat ws://{at}/ws

  2. The user opens a conversation; the desk gives it to the agent (terminal 2):
     curl -s -H "Authorization: Bearer $USER_TOKEN" http://{at}/api/kefu/message/getConversation
     ID=$(curl -s -H "Authorization: Bearer $USER_TOKEN" http://{at}/api/kefu/message/getConversation | grep -o '"id":[0-9]*' | head -n 1 | cut -d : -f 2)

  3. The user logs in and writes (terminal 2; stays open and shows what the agent says):
     (echo '{{"action":"login","data":{{"token":"'$USER_TOKEN'"}}}}'; echo '{{"action":"kefu_message_send","data":{{"conversation_id":'$ID',"content":"你好"}},"op_id":1}}'; cat) | websocat ws://{at}/ws

  4. The agent answers: type into terminal 1, with the conversation_id it was shown in place of ID:
     {{"action":"kefu_message_send","data":{{"conversation_id":ID,"content":"您好，有什么可以帮您的吗？","sender_type":2}},"op_id":1}}

  5. The history (a third terminal, or after ending terminal 2 with Ctrl-C):
     curl -s -H "Authorization: Bearer $USER_TOKEN" "http://{at}/api/kefu/message/list?conversation_id=$ID"

Without websocat, with Node: the agent (1), then the user (3):
     npx --yes wscat -c ws://{at}/ws -w -1 -x '{{"action":"login","data":{{"token":"'$AGENT_TOKEN'"}}}}'
     npx --yes wscat -c ws://{at}/ws -w -1 -x '{{"action":"login","data":{{"token":"'$USER_TOKEN'"}}}}' -x '{{"action":"kefu_message_send","data":{{"conversation_id":'$ID',"content":"你好"}},"op_id":1}}'

The agents, as an operator sees them:
     curl -s -H "Authorization: Bearer $ADMIN_TOKEN" http://{at}/api/v1/agents

More tokens: {program} token --data-dir {data_dir} --role user --id 101 --name Li --ttl 24h
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> FirstTokens {
        FirstTokens { admin: "a.d.m".into(), user: "u.s.r".into(), agent: "a.g.t".into(), ttl: "24h".into() }
    }

    #[test]
    fn every_run_begins_with_the_line_that_scripts_wait_for() {
        for (listening, line) in [
            ("127.0.0.1:8080", "listening on http://127.0.0.1:8080"),
            ("0.0.0.0:80", "listening on http://0.0.0.0:80"),
            ("[::1]:8080", "listening on http://[::1]:8080"),
        ] {
            for first in [None, Some(&tokens())] {
                let text = banner(listening.parse().unwrap(), "switchboard", "./data", first);
                assert_eq!(text.lines().next(), Some(line));
            }
        }
    }

    #[test]
    fn later_runs_show_no_token() {
        let text = banner("127.0.0.1:8080".parse().unwrap(), "switchboard", "./data", None);
        assert!(text.contains("ws://127.0.0.1:8080/ws") && !text.contains("TOKEN"), "{text}");
    }

    #[test]
    fn lines_can_be_pasted() {
        let text = banner("0.0.0.0:9000".parse().unwrap(), "switchboard", "./data", Some(&tokens()));
        assert!(!text.contains("ws://0.0.0.0"), "nobody connects to that: {text}");
        for wanted in [
            "export USER_TOKEN=u.s.r\n",
            "export AGENT_TOKEN=a.g.t\n",
            "export ADMIN_TOKEN=a.d.m\n",
            "websocat ws://127.0.0.1:9000/ws",
            "npx --yes wscat -c ws://127.0.0.1:9000/ws",
            "curl -s -H \"Authorization: Bearer $USER_TOKEN\" http://127.0.0.1:9000/api/kefu/message/getConversation",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }

    /// Every frame shown is the guide's: an object with `action` and `data`.
    #[test]
    fn frames_are_json_once_the_shell_has_filled_them_in() {
        let text = banner("127.0.0.1:8080".parse().unwrap(), "switchboard", "./data", Some(&tokens()));
        let filled = text
            .replace("'$AGENT_TOKEN'", "a.g.t")
            .replace("'$USER_TOKEN'", "u.s.r")
            .replace("'$ID'", "7")
            .replace(":ID,", ":7,");
        let mut actions = Vec::new();
        for (start, _) in filled.match_indices("{\"action\"") {
            let mut frames = serde_json::Deserializer::from_str(&filled[start..]).into_iter::<serde_json::Value>();
            let frame = frames.next().unwrap().unwrap();
            assert!(frame["data"].is_object(), "{frame}");
            actions.push(frame["action"].as_str().unwrap().to_owned());
        }
        let send = "kefu_message_send";
        assert_eq!(actions, ["login", "login", send, send, "login", "login", send]);
    }
}
