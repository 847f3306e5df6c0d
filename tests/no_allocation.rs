//! Answering allocates nothing: a global allocator counts what each thread asks of it.
//!
//! Every outcome, transport and way of drawing is warmed up by one query and then counted over many.

#![allow(unsafe_code, reason = "a global allocator is unsafe by its trait")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashSet;
use std::mem::discriminant;

use fingerpost::dns::{self, EmptyService, Outcome, Settings, Transport};
use fingerpost::table::{Editor, Networks, Publisher, Snapshot, Views};

/// The system's allocator with a count of calls.
struct Counting;

thread_local! {
    /// Calls of this thread. Constant and without a destructor, so that the counter itself never allocates.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // Freeing is the same trouble on the way between query and answer.
        count();
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Calls that `work` makes on this thread.
fn calls(work: impl FnOnce()) -> u64 {
    let before = CALLS.with(Cell::get);
    work();
    CALLS.with(Cell::get) - before
}

#[test]
fn the_allocator_counts() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
}

const TABLE: &str = "
    nameserver ns1.example.test
    namespace z.test 15
    service one WEIGHTED A=10 AAAA=10 SRV=10
    instance i-{1..3} ipv4=10.0.0.{} ipv6=2001:db8::{} port=80
    service few MULTIVALUE A=10 AAAA=10 SRV=10
    instance i-{1..12} ipv4=10.1.0.{} ipv6=2001:db8::{} port=80
    service many MULTIVALUE A=10 AAAA=10 SRV=10
    instance i-{1..200} ipv4=10.2.0.{} ipv6=2001:db8::{} port=80
    service half MULTIVALUE A=10 AAAA=10 SRV=10 limit=40
    instance i-{1..200} ipv4=10.3.0.{} ipv6=2001:db8::{} port=80
    service all MULTIVALUE A=10 AAAA=10 SRV=10 limit=all
    instance i-{1..5000} ipv4=10.4.{/} ipv6=2001:db8::{} port=80
    service none MULTIVALUE A=10
    service alias WEIGHTED CNAME=10
    instance i-{1..3} cname=host-{}.example.com
    service empty.alias WEIGHTED CNAME=10
    zone static.test
    record static.test 60 SOA name:ns.static.test name:h.static.test 00000001 00001c20 00000384 00127500 0000000f
    record *.wild.static.test 60 A 0a050001
    record chain.static.test 60 CNAME name:link.static.test
    record link.static.test 60 CNAME name:few.z.test
    record moved.static.test 60 DNAME name:z.test
    record far.static.test 60 DNAME repeat:100:0161 name:z.test
    record cut.static.test 60 NS name:ns.cut.static.test
    record ns.cut.static.test 60 A 0a050002
    record mail.static.test 60 MX 000a name:chain.static.test
";

/// Messages of every kind.
fn messages() -> Vec<Vec<u8>> {
    let names = [
        "z.test",
        "one.z.test",
        "few.z.test",
        "many.z.test",
        "half.z.test",
        "all.z.test",
        "i-1.few.z.test",
        "none.z.test",
        "alias.z.test",
        "empty.alias.z.test",
        "nobody.z.test",
        "a.b.c.d.e.f.nobody.z.test",
        "example.com",
        "version.bind",
        "id.server",
        ".",
        "x.wild.static.test",
        "chain.static.test",
        "few.moved.static.test",
        "x.cut.static.test",
        "mail.static.test",
        "too.long.too.long.too.long.too.long.too.long.too.long.too.long.too.long.too.long.too.long.far.static.test",
    ];
    let mut queries = Vec::new();
    for name in names {
        for qtype in [1, 28, 33, 5, 6, 2, 16, 255, 252, 250, 41, 65280] {
            let query = support::Query::new(name, qtype);
            queries.push(query.clone());
            queries.push(support::Query { qclass: 3, ..query.clone() });
            queries.push(support::Query { flags: 0x2000, ..query.clone() });
            queries.extend([0, 512, 1232, 4096].map(|payload| query.clone().edns(payload)));
            let mut asking = query.clone().edns(1232);
            let options = [3, 11, 10, 19, 65001].map(|code| (code, Vec::new())).to_vec();
            asking.opt = asking.opt.map(|opt| support::Opt { dnssec_ok: true, options, ..opt });
            queries.push(asking);
            let mut newer = query.edns(1232);
            newer.opt = newer.opt.map(|opt| support::Opt { version: 1, ..opt });
            queries.push(newer);
        }
    }
    let mut messages: Vec<Vec<u8>> = queries.iter().map(support::Query::encode).collect();
    // Malformed, runts and responses.
    let sound = support::Query::new("few.z.test", 1).edns(1232).encode();
    messages.extend((0..sound.len()).map(|cut| sound[..cut].to_vec()));
    messages.push([&sound[..2], &[0x80], &sound[3..]].concat());
    messages
}

#[test]
fn answering_allocates_nothing() {
    let snapshot = support::snapshot(TABLE);
    let messages = messages();
    let settings = Settings {
        udp_payload: 4096,
        nsid: Some(b"ns-1".as_slice().into()),
        version: Some("fingerpost".into()),
        id_server: Some("host-1".into()),
        ..Settings::default()
    };
    let absent = Settings { empty_service: EmptyService::NxDomain, ..Settings::default() };
    let mut outcomes = HashSet::new();
    for settings in [settings, absent] {
        let mut ctx = support::ctx(settings);
        let mut buffer = vec![0; 65_535];
        for (transport, length) in [(Transport::Udp, dns::MAX_UDP_PAYLOAD), (Transport::Tcp, 65_535)] {
            for message in &messages {
                let mut answer = || {
                    buffer[..message.len()].copy_from_slice(message);
                    if transport == Transport::Tcp {
                        return dns::answer(&snapshot, &mut ctx, transport, &mut buffer[..length], message.len());
                    }
                    // As a worker does.
                    let ahead = dns::look_ahead(&snapshot, &mut ctx, std::iter::once(&buffer[..length]));
                    let reply = ahead.answer_v4(0, &mut ctx, &mut buffer[..length], message.len());
                    reply.unwrap_or_else(|| ahead.answer(0, &mut ctx, &mut buffer[..length], message.len()))
                };
                let outcome = answer().outcome;
                let repeats = if transport == Transport::Tcp { 2 } else { 20 };
                let calls = calls(|| {
                    for _ in 0..repeats {
                        std::hint::black_box(answer());
                    }
                });
                assert_eq!(calls, 0, "{outcome:?}: {message:02x?}");
                outcomes.insert(discriminant(&outcome));
            }
        }
    }
    use Outcome::{Answer, BadVers, FormErr, NoData, NotAQuery, NotImp, NxDomain, Referral, Refused, Runt, YxDomain};
    let all = [Answer, NoData, NxDomain, Referral, YxDomain, Refused, FormErr, NotImp, BadVers, Runt, NotAQuery];
    assert_eq!(outcomes, all.iter().map(discriminant).collect(), "every outcome is among them");
}

/// A worker's view costs nothing, be the snapshot the same or a new one, and frees no snapshot.
#[test]
fn a_view_allocates_and_frees_nothing() {
    let mut publisher = Publisher::new(Snapshot::new());
    let mut view = publisher.handle().view();
    let mut last = 0;
    // Per thread arc-swap keeps one small record, made at the thread's first access.
    view.snapshot();
    publisher.publish(Editor::new(&Snapshot::new()).finish(1, 0));
    view.snapshot();
    for revision in 2..100 {
        publisher.publish(Editor::new(&Snapshot::new()).finish(revision, 0));
        let calls = calls(|| {
            for _ in 0..100 {
                last = view.snapshot().revision();
            }
        });
        assert_eq!((calls, last), (0, revision));
    }
}

/// So do the views of VPCs, and to find out which of them a client has.
#[test]
fn views_of_vpcs_allocate_and_free_nothing() {
    let mut publishers = [(); 3].map(|()| Publisher::new(Snapshot::new()));
    let [common, private @ ..] = publishers.each_ref().map(Publisher::handle);
    let networks = (0..2000).map(|n| (format!("10.{}.{}.0/24", n / 256, n % 256).parse().unwrap(), 1 + n % 2));
    let mut set = Views::new(common, private, Networks::new(networks)).views();
    let clients =
        ["10.0.0.9", "10.7.207.1", "::ffff:10.1.1.1", "192.0.2.1", "fd00::1"].map(|text| text.parse().unwrap());
    let mut look = || {
        let current = set.revalidate();
        clients.map(|client| {
            let seen = current.seen_by(client);
            (seen.private.map(Snapshot::revision), seen.common.revision())
        })
    };
    // As above: arc-swap's record of this thread, which it makes with the first swaps it sees.
    look();
    for revision in 1..100 {
        for publisher in &mut publishers {
            publisher.publish(Editor::new(&Snapshot::new()).finish(revision, 0));
        }
        let mut seen = None;
        let calls = calls(|| seen = Some(look()));
        if revision > 1 {
            assert_eq!(calls, 0);
        }
        let (both, one) = ((Some(revision), revision), (None, revision));
        assert_eq!(seen, Some([both, both, both, one, one]));
    }
}
