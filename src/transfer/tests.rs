//! Transfers through the door that the hot side uses, with clients that do not read.

use std::time::Instant;

use tokio::sync::mpsc;

use super::*;
use crate::metrics::Metrics;
use crate::table::{Editor, Flags, Layer, NodeDraft, Publisher, RrSetDraft, Snapshot};

/// A zone of some 80 messages.
fn table() -> Snapshot {
    let base = Snapshot::new();
    let mut editor = Editor::new(&base);
    let soa = [b"\x01n\x00\x01h\x00".as_slice(), &7_u32.to_be_bytes(), &[0; 16]].concat();
    let soa = RrSetDraft::Records { rtype: rtype::SOA, ttl: 60, rdata: vec![soa] };
    let apex = Name::parse("z.test").unwrap();
    editor.put(&apex, 0, Layer::Services, &NodeDraft { flags: Flags::default(), sets: vec![soa] });
    let addresses = (0..80_000_u32).map(u32::to_be_bytes).collect();
    let set = RrSetDraft::V4 { ttl: 10, shown: 1, addresses };
    let owner = Name::parse("s.z.test").unwrap();
    editor.put(&owner, 2, Layer::Services, &NodeDraft { flags: Flags::default(), sets: vec![set] });
    editor.finish(1, 0)
}

/// Transfers of that zone by everybody.
fn transfers(limits: Limits, metrics: &Metrics) -> (Arc<Transfers>, Publisher) {
    let publisher = Publisher::new(table());
    let rules = Rules::new(vec!["zone=*,allow=0.0.0.0/0".parse().unwrap()]);
    let views = Views::from(publisher.handle());
    let handles = vec![publisher.handle()];
    let settings = Settings::default();
    let transfers = Transfers::new(rules, Keys::default(), views, handles, limits, &settings, metrics.transfers());
    (transfers.unwrap(), publisher)
}

/// Asks for all of `zone`.
fn ask(transfers: &Arc<Transfers>, zone: &str) -> mpsc::Receiver<Vec<u8>> {
    let (responses, messages) = mpsc::channel(4);
    let zone = Name::parse(zone).unwrap();
    let query = [&[0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], zone.as_wire(), &[0, 252, 0, 1]].concat();
    let client = ([10, 0, 0, 1], 9).into();
    let deferred = Deferred { query, client, transport: Transport::Tcp };
    tokio::spawn(Arc::clone(transfers).answer(deferred, responses));
    messages
}

/// Everything that comes.
async fn read(mut messages: mpsc::Receiver<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(message) = messages.recv().await {
        all.push(message);
    }
    all
}

/// What a counter says.
fn count(metrics: &Metrics, line: &str) -> bool {
    metrics.render().unwrap().lines().any(|found| found == line)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_run_as_may_and_those_who_do_not_read_are_left() {
    let metrics = Metrics::new();
    let limits = Limits {
        concurrent: 2,
        turn: Duration::from_millis(100),
        write: Duration::from_millis(600),
        ..Limits::default()
    };
    let (transfers, _publisher) = transfers(limits, &metrics);
    let records = |all: &[Vec<u8>]| -> usize {
        all.iter().map(|message| usize::from(u16::from_be_bytes([message[6], message[7]]))).sum()
    };
    let all = read(ask(&transfers, "z.test")).await;
    assert_eq!((all.len() > 70, records(&all)), (true, 80_002));

    let begun = Instant::now();
    let unread = [ask(&transfers, "z.test"), ask(&transfers, "z.test")];
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(count(&metrics, "fingerpost_transfers_running 2"));
    let busy = read(ask(&transfers, "z.test")).await;
    assert_eq!((busy.len(), busy[0][3] & 0xf), (1, rcode::SERVFAIL));
    assert!(count(&metrics, "fingerpost_transfers_refused_total{reason=\"busy\"} 1"));
    // Who is refused needs no turn.
    let refused = read(ask(&transfers, "other.test")).await;
    assert_eq!((refused.len(), refused[0][3] & 0xf), (1, rcode::REFUSED));
    for messages in unread {
        tokio::time::sleep(Duration::from_millis(700).saturating_sub(begun.elapsed())).await;
        let part = read(messages).await;
        assert!(part.len() <= 5, "{} messages for nobody", part.len());
    }
    assert!(count(&metrics, "fingerpost_transfers_aborted_total 2"));
    assert_eq!(records(&read(ask(&transfers, "z.test")).await), 80_002, "there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_holds_its_table_for_so_long() {
    let metrics = Metrics::new();
    let limits = Limits { whole: Duration::from_millis(200), ..Limits::default() };
    let (transfers, mut publisher) = transfers(limits, &metrics);
    let mut messages = ask(&transfers, "z.test");
    let mut read = 0;
    // However gladly it is read.
    while messages.recv().await.is_some() {
        read += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((1..40).contains(&read), "{read}");
    assert!(count(&metrics, "fingerpost_transfers_aborted_total 1"));
    publisher.publish(Snapshot::new());
    transfers.journal().catch_up();
    assert_eq!(publisher.sweep(), 0, "nothing is held any more");
}
