//! What a former owner sent and what arrived only after its successor wrote: put into the tables by hand, with the timestamps
//! it would have. None of it is seen.

use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use switchboard_protocol::model::{Found, Read, Seq, Side};
use switchboard_storage::conformance::{Caller, samples};
use switchboard_storage::{TrialCluster, open_scylla};

use crate::cluster;

/// Runs a statement by hand.
async fn run(session: &Session, cql: &str, values: impl scylla::serialize::row::SerializeRow) {
    session.query_unpaged(cql, values).await.expect("the statement is carried out");
}

#[test]
fn what_arrives_late_is_not_seen() {
    let Some(cluster) = TrialCluster::shared() else { return };
    let settings = cluster::keyspace(cluster, "ghosts");
    let open = || Caller::open(|completions| open_scylla(settings.clone(), completions).expect("the store opens"));
    let mut conversation = samples::conversation(1, samples::user(1));
    let former = open();
    let (write, first) = samples::append(&mut conversation, 11, Side::Customer, Some("first"));
    former.write(write);
    let before = conversation.clone();
    let (write, ghost) = samples::append(&mut conversation, 12, Side::Customer, Some("ghost"));
    former.write(write);
    former.store.close();

    // As if the second message had not arrived yet: its rows are taken out, and put back later as they were.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = runtime.block_on(async {
        let session = SessionBuilder::new().known_node(&settings.contact_points[0]).build().await.unwrap();
        session.use_keyspace(&settings.keyspace, false).await.unwrap();
        session
    });
    type Row = (i8, i64, Vec<u8>, Vec<u8>, i64);
    let rows: Vec<Row> = runtime.block_on(async {
        let select = "SELECT kind, position, key, record, WRITETIME(record) FROM messages \
            WHERE conversation = 1 AND bucket = 0";
        let rows = session.query_unpaged(select, ()).await.unwrap().into_rows_result().unwrap();
        rows.rows::<Row>().unwrap().map(Result::unwrap).collect()
    });
    let newest = rows.iter().map(|row| row.4).max().expect("rows");
    let of_ghost: Vec<_> = rows.into_iter().filter(|row| row.1 == 2 || row.2.ends_with(b"ghost")).collect();
    assert_eq!(of_ghost.len(), 2, "its message and its dedup row");
    runtime.block_on(async {
        for (kind, position, key, ..) in &of_ghost {
            let delete = "DELETE FROM messages USING TIMESTAMP ? WHERE conversation = 1 AND bucket = 0 AND kind = ? \
                AND position = ? AND key = ?";
            run(&session, delete, (newest + 1, kind, position, key)).await;
        }
    });
    // The header of before: a successor that found the first message only would have written it again.
    let successor = open();
    successor
        .write(switchboard_protocol::model::Write::SaveConversation { conversation: before.clone(), opens: false });
    let mut conversation = before;
    let (write, second) = samples::append(&mut conversation, 13, Side::Customer, Some("second"));
    successor.write(write);
    runtime.block_on(async {
        for (kind, position, key, record, _) in &of_ghost {
            let insert = "INSERT INTO messages (conversation, bucket, kind, position, key, record) \
                VALUES (1, 0, ?, ?, ?, ?) USING TIMESTAMP ?";
            run(&session, insert, (kind, position, key, record, newest + 2)).await;
            if *kind == 0 {
                // And one behind the newest message there is.
                run(&session, insert, (kind, 3_i64, key, record, newest + 2)).await;
            }
        }
    });
    let read = |caller: &Caller, key: &str| {
        let client_msg_id = samples::client_msg_id(key);
        caller.read(Read::Sent { conversation: conversation.id, sender: first.sender, client_msg_id })
    };
    successor.store.close();
    let reader = open();
    let history = Read::History { conversation: conversation.id, from: Seq::new(1), to: Seq::new(100) };
    assert_eq!(reader.read(history), Found::History(vec![first.clone(), second.clone()]));
    assert_eq!(read(&reader, "ghost"), Found::Sent(None), "a retry of it is stored, and not taken for done");
    assert_eq!(read(&reader, "second"), Found::Sent(Some(samples::sent(&second))));
    assert_eq!(reader.read(Read::Message(ghost.id)), Found::Message(None));
    assert_eq!(reader.read(Read::SeqOf { conversation: conversation.id, message: ghost.id }), Found::Seq(None));
    reader.store.close();
}
