//! The gRPC channel at one million instances, as `cargo bench --bench channel [SERVICES] [stream] [alone] [queries]`: how
//! many changes go through one stream, and how soon DNS shows them while it answers queries.
//!
//! The real program, durable. First as many changes as one stream takes, with the time of the processors that each
//! costs, by thread; the client writes its requests ready-made, because it runs on the same cores. Then single changes,
//! each sent when the one before is done, beside what the disk takes: each a request of its own, then all in one
//! stream. Then twenty thousand queries a second, with and without ten thousand changes a second beside them. Every
//! answer is checked: it must be there, have eight addresses, and each must be one that its service has or had. One
//! change of each batch is looked for in DNS from the moment it is sent until it shows. The histograms are written to
//! `target/channel/`.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes};
use fingerpost::channel::grpc::proto::command::Command as Kind;
use fingerpost::channel::grpc::proto::registry_client::RegistryClient;
use fingerpost::channel::grpc::proto::{ApplyReply, ApplyRequest, Command, PutInstance, ServiceName};
use fingerpost::wire::Name;
use hdrhistogram::Histogram;
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, EncodeBuf, Encoder};
use tonic_prost::ProstCodec;

use million::{INSTANCES, NAMESPACE, Server, attributes, fill, instance_id, service_name, syncs, times_of};

mod million;

/// What can be asked for alone.
const PARTS: [&str; 3] = ["stream", "alone", "queries"];
/// How long each part takes.
const DURATION: Duration = Duration::from_secs(10);
/// Changes a second in the second part, and in one batch of it.
const PACE: u32 = 10_000;
const BATCH: u32 = 20;
/// Changes in a batch of the first part.
const LARGE_BATCH: u32 = 1000;
/// Queries a second beside the changes.
const QUERIES: u32 = 20_000;
/// Bits of an address that count an instance's changes; the others are its service's.
const VERSION_BITS: u32 = 15;

fn main() {
    let services = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(125_000);
    assert!(services <= 1 << (32 - VERSION_BITS), "so many services do not fit into addresses");
    let folder = tempfile::tempdir().expect("a folder");
    let parts: Vec<String> = std::env::args().skip(1).filter(|one| PARTS.contains(&&**one)).collect();
    let has = |part: &str| parts.is_empty() || parts.iter().any(|one| one == part);
    // A folder that stays, for one run after the other.
    let kept = std::env::var_os("BENCH_DATA").map(PathBuf::from);
    let path = kept.as_deref().unwrap_or_else(|| folder.path());
    let is_filled = path.join("changed").exists();
    if !is_filled {
        fill(path, services);
    }
    let server = Server::start(path, "grpc");
    server.wait_for_answer(services - 1);
    println!("{services} services of {INSTANCES} instances; {} MB resident", server.resident("VmRSS"));
    let runtime = Runtime::new().expect("a runtime");
    // So that every address says whose it is.
    let begun = Instant::now();
    if !is_filled {
        let (count, _) =
            runtime.block_on(changes(&server, Some(services * INSTANCES), |number| (number / INSTANCES, number)));
        println!("every instance changed once: {count} in {:.1?}", begun.elapsed());
        std::fs::write(path.join("changed"), "").expect("a file");
    }
    for round in (1..=3).filter(|_| has("stream")) {
        let before = processor(&server);
        let (count, elapsed) = runtime.block_on(changes(&server, None, move |_| {
            let service = fastrand::u32(..services);
            (service, service * INSTANCES + fastrand::u32(..INSTANCES))
        }));
        println!("as fast as one stream goes, {round}: {:.0} changes/s", f64::from(count) / elapsed.as_secs_f64());
        let used = processor(&server).into_iter().filter_map(|(name, after)| {
            let used = after.saturating_sub(before.get(&name).copied().unwrap_or_default());
            (used > Duration::from_millis(50))
                .then(|| format!("{name} {:.1}", used.as_secs_f64() * 1e6 / f64::from(count)))
        });
        println!("    microseconds of a processor for each: {}", used.collect::<Vec<_>>().join(", "));
    }
    for round in (1..=3).filter(|_| has("alone")) {
        println!("a page appended and brought to disk, {round}: {:.0}/s one after the other", syncs(path));
        let mut times = runtime.block_on(alone(&server, services));
        println!("single changes, each sent when the one before is done, {round}: {:.0}/s", times.len() as f64 / 3.0);
        report("from request to reply", &format!("alone-{round}"), &mut times);
        let single = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut times = single.block_on(alone_in_stream(&server, services));
        println!("the same through one stream, by a client of one thread, {round}: {:.0}/s", times.len() as f64 / 3.0);
        report("from request to reply", &format!("alone-stream-{round}"), &mut times);
    }
    for round in (1..=3).filter(|_| has("queries")) {
        let quiet = undisturbed(&server, services, round);
        let beside = paced(&server, &runtime, services, round);
        println!("    99 % of the queries beside changes: {:.2} times as long as without", beside / quiet);
    }
    println!("{} MB resident in the end, {} MB at most", server.resident("VmRSS"), server.resident("VmHWM"));
}

/// The time that the threads of the server have used so far, and this client.
fn processor(server: &Server) -> BTreeMap<String, Duration> {
    let mut times = server.processor();
    times.insert("(client)".to_owned(), times_of(std::process::id()).into_values().sum());
    times
}

/// Single changes, one after the other, for three seconds; how long each took.
async fn alone(server: &Server, services: u32) -> Histogram<u64> {
    let mut client = RegistryClient::connect(format!("http://{}", server.channel)).await.expect("a connection");
    let (begun, mut times) = (Instant::now(), histogram());
    while begun.elapsed() < Duration::from_secs(3) {
        let (command, _) = change(fastrand::u32(..services), fastrand::u32(..INSTANCES));
        let start = Instant::now();
        let reply = client.apply_once(ApplyRequest { sequence: 0, commands: vec![command] }).await.expect("a reply");
        assert!(reply.into_inner().faults.is_empty());
        times.saturating_record(start.elapsed().as_nanos() as u64);
    }
    times
}

/// [`alone`], but in one stream.
async fn alone_in_stream(server: &Server, services: u32) -> Histogram<u64> {
    let mut client = RegistryClient::connect(format!("http://{}", server.channel)).await.expect("a connection");
    let (sender, requests) = tokio::sync::mpsc::channel(1);
    let mut replies = client.apply(ReceiverStream::new(requests)).await.expect("a stream").into_inner();
    let (begun, mut times) = (Instant::now(), histogram());
    while begun.elapsed() < Duration::from_secs(3) {
        let (command, _) = change(fastrand::u32(..services), fastrand::u32(..INSTANCES));
        let start = Instant::now();
        sender.send(ApplyRequest { sequence: 0, commands: vec![command] }).await.expect("the stream");
        let reply = replies.message().await.expect("a reply").expect("no end");
        assert!(reply.faults.is_empty());
        times.saturating_record(start.elapsed().as_nanos() as u64);
    }
    times
}

/// A change of an instance: it gets an address that tells its service and is new.
fn change(service: u32, number: u32) -> (Command, u32) {
    let address = service << VERSION_BITS | fastrand::u32(..1 << VERSION_BITS);
    let pairs = attributes(address.into());
    let put = PutInstance {
        service: Some(ServiceName { service: service_name(service), namespace: NAMESPACE.into() }),
        id: instance_id(service, number % INSTANCES),
        attributes: pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    (Command { command: Some(Kind::PutInstance(put)) }, address)
}

/// Makes requests of changes without a thought: what is the same in each is written once.
struct ReadyMade {
    /// All attributes but the address.
    attributes: Vec<u8>,
}

impl ReadyMade {
    fn new() -> Self {
        let mut attributes = Vec::new();
        for (key, value) in self::attributes(0.into()).iter().filter(|(key, _)| *key != "AWS_INSTANCE_IPV4") {
            put_attribute(&mut attributes, key, value);
        }
        Self { attributes }
    }

    /// A request of `count` changes, each of the service and the number that `pick` gives.
    fn request(&self, count: u32, mut pick: impl FnMut(u32) -> (u32, u32)) -> Bytes {
        let mut request = Vec::with_capacity(count as usize * 420);
        let (mut put, mut name) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (service, number) = pick(number);
            let address = service << VERSION_BITS | fastrand::u32(..1 << VERSION_BITS);
            name.clear();
            put_field(&mut name, 1, service_name(service).as_bytes());
            put_field(&mut name, 2, NAMESPACE.as_bytes());
            put.clear();
            put_field(&mut put, 1, &name);
            put_field(&mut put, 2, instance_id(service, number % INSTANCES).as_bytes());
            put_attribute(&mut put, "AWS_INSTANCE_IPV4", &std::net::Ipv4Addr::from(address).to_string());
            put.extend_from_slice(&self.attributes);
            // A command with a PutInstance in it.
            request.push(2 << 3 | 2);
            prost::encoding::encode_varint(put.len() as u64 + 1 + varint_length(put.len()), &mut request);
            put_field(&mut request, 5, &put);
        }
        request.into()
    }
}

/// Octets of a length.
fn varint_length(length: usize) -> u64 {
    prost::encoding::encoded_len_varint(length as u64) as u64
}

/// A field of octets.
fn put_field(message: &mut Vec<u8>, number: u8, octets: &[u8]) {
    message.push(number << 3 | 2);
    prost::encoding::encode_varint(octets.len() as u64, message);
    message.extend_from_slice(octets);
}

/// An attribute of a PutInstance.
fn put_attribute(message: &mut Vec<u8>, key: &str, value: &str) {
    let mut pair = Vec::with_capacity(key.len() + value.len() + 4);
    put_field(&mut pair, 1, key.as_bytes());
    put_field(&mut pair, 2, value.as_bytes());
    put_field(message, 3, &pair);
}

/// Sends requests that are encoded already.
#[derive(Default)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ApplyReply;
    type Encoder = Self;
    type Decoder = <ProstCodec<ApplyRequest, ApplyReply> as Codec>::Decoder;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<ApplyRequest, ApplyReply>::default().decoder()
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), tonic::Status> {
        to.put(item);
        Ok(())
    }
}

/// Sends large batches over one stream, `most` changes or for as long as a part takes; how many were acknowledged, and
/// in what time.
async fn changes(
    server: &Server,
    most: Option<u32>,
    pick: impl Fn(u32) -> (u32, u32) + Send + 'static,
) -> (u32, Duration) {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.channel)).expect("an address");
    let mut client = tonic::client::Grpc::new(endpoint.connect().await.expect("a connection"));
    let (sender, requests) = tokio::sync::mpsc::channel(4);
    let begun = Instant::now();
    tokio::spawn(async move {
        let (ready, mut sent) = (ReadyMade::new(), 0);
        while most.map_or_else(|| begun.elapsed() < DURATION, |most| sent < most) {
            let request = ready.request(LARGE_BATCH, |number| pick(sent + number));
            if sent == 0 {
                let decoded = ApplyRequest::decode(request.clone()).expect("a request");
                assert_eq!(decoded.commands.len(), LARGE_BATCH as usize);
            }
            sent += LARGE_BATCH;
            if sender.send(request).await.is_err() {
                return;
            }
        }
    });
    client.ready().await.expect("a connection");
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/fingerpost.v1.Registry/Apply");
    let requests = tonic::Request::new(ReceiverStream::new(requests));
    let mut replies = client.streaming(requests, path, Encoded).await.expect("a stream").into_inner();
    let mut count = 0;
    while let Some(reply) = replies.message().await.expect("a reply") {
        assert!(reply.faults.is_empty(), "{:?}", reply.faults.first());
        count += LARGE_BATCH;
    }
    (count, begun.elapsed())
}

/// Queries at a steady pace and nothing else; within how many nanoseconds 99 of 100 are answered.
fn undisturbed(server: &Server, services: u32, round: u32) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let (dns, end) = (server.dns, Arc::clone(&stop));
    let asking = thread::spawn(move || ask(dns, services, &end));
    thread::sleep(DURATION);
    stop.store(true, Ordering::Relaxed);
    let (asked, mut answered) = asking.join().expect("the queries");
    println!("{QUERIES} queries/s without changes, {round}: {asked} queries, none wrong or lost");
    report("from when a query was due to its answer", &format!("undisturbed-{round}"), &mut answered);
    answered.value_at_quantile(0.99) as f64
}

/// Changes at a steady pace beside queries at one; within how many nanoseconds 99 of 100 queries are answered.
fn paced(server: &Server, runtime: &Runtime, services: u32, round: u32) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let (dns, end) = (server.dns, Arc::clone(&stop));
    let asking = thread::spawn(move || ask(dns, services, &end));
    let (looked_for, wanted) = mpsc::sync_channel(64);
    let looking = thread::spawn(move || look(dns, &wanted));
    let (count, replies) = runtime.block_on(steady(server, services, &looked_for));
    stop.store(true, Ordering::Relaxed);
    drop(looked_for);
    let (asked, mut answered) = asking.join().expect("the queries");
    let looks = looking.join().expect("the looks");
    let (mut shown, mut acknowledged, mut visible) = (histogram(), histogram(), histogram());
    for (_, due, replied) in &replies {
        acknowledged.saturating_record(replied.duration_since(*due).as_nanos() as u64);
    }
    let replied: HashMap<u64, Instant> = replies.into_iter().map(|(batch, _, replied)| (batch, replied)).collect();
    for Looked { batch, due, seen } in looks {
        shown.saturating_record(seen.duration_since(due).as_nanos() as u64);
        // Seen before we heard that it was committed, it was visible at once.
        visible.saturating_record(seen.saturating_duration_since(replied[&batch]).as_nanos() as u64);
    }
    println!("at {PACE}/s beside {QUERIES} queries/s, {round}: {count} changes; {asked} queries, none wrong or lost");
    let name = |what: &str| format!("{what}-{round}");
    report("from the reply, which follows the commit, to the first answer with it", &name("visible"), &mut visible);
    report("from when it was due to the first answer with it", &name("shown"), &mut shown);
    report("from when it was due to the reply", &name("acknowledged"), &mut acknowledged);
    report("from when a query was due to its answer", &name("answers"), &mut answered);
    answered.value_at_quantile(0.99) as f64
}

/// A change that is to be looked for: its batch, its service, its address, and when it was due.
type Wanted = (u64, u32, u32, Instant);

/// A change that was seen.
struct Looked {
    batch: u64,
    due: Instant,
    seen: Instant,
}

/// Sends small batches at the pace, whatever comes back; times from the moment each was due.
async fn steady(
    server: &Server,
    services: u32,
    looked_for: &mpsc::SyncSender<Wanted>,
) -> (u32, Vec<(u64, Instant, Instant)>) {
    let mut client = RegistryClient::connect(format!("http://{}", server.channel)).await.expect("a connection");
    let (sender, requests) = tokio::sync::mpsc::channel(4096);
    let begun = Instant::now();
    let due =
        move |batch: u64| begun + Duration::from_nanos(batch * 1_000_000_000 * u64::from(BATCH) / u64::from(PACE));
    let looked_for = looked_for.clone();
    let sending = tokio::spawn(async move {
        for batch in 0_u64.. {
            let at = due(batch);
            if at.duration_since(begun) > DURATION {
                return;
            }
            tokio::time::sleep_until(at.into()).await;
            let mut last = (0, 0);
            let commands = (0..BATCH).map(|_| {
                let service = fastrand::u32(..services);
                let (command, address) = change(service, fastrand::u32(..INSTANCES));
                last = (service, address);
                command
            });
            let request = ApplyRequest { sequence: batch, commands: commands.collect() };
            sender.send(request).await.expect("the stream");
            // One that is looked for while another is would be late for no fault of the server's.
            let _ = looked_for.try_send((batch, last.0, last.1, at));
        }
    });
    let mut replies = client.apply(ReceiverStream::new(requests)).await.expect("a stream").into_inner();
    let (mut count, mut times) = (0, Vec::new());
    while let Some(reply) = replies.message().await.expect("a reply") {
        assert!(reply.faults.is_empty(), "{:?}", reply.faults.first());
        count += BATCH;
        times.push((reply.sequence, due(reply.sequence), Instant::now()));
    }
    sending.await.expect("the sender");
    (count, times)
}

//----------- DNS --------------------------------------------------------------

/// A query for a service, told by `id`.
fn query(service: u32, id: u16) -> Vec<u8> {
    let mut packet = vec![0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet[..2].copy_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(Name::parse(&format!("{}.{NAMESPACE}", service_name(service))).expect("a name").as_wire());
    packet.extend_from_slice(&[0, 1, 0, 1]);
    packet
}

/// The addresses in a response to a query of `length` octets; each must be its service's.
fn addresses(response: &[u8], length: usize, service: u32) -> impl Iterator<Item = u32> {
    assert_eq!(response[3] & 15, 0, "the response code for {}", service_name(service));
    let records = response[length..].chunks_exact(16);
    records.map(move |record| {
        let address = u32::from_be_bytes(record[12..].try_into().expect("four octets"));
        assert_eq!(address >> VERSION_BITS, service, "an address that the service never had");
        address
    })
}

/// Asks at a steady pace, and checks every answer; how many were asked, and the times from the moment each was due.
fn ask(server: SocketAddr, services: u32, stop: &AtomicBool) -> (u64, Histogram<u64>) {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    socket.connect(server).expect("a server");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let begun = Instant::now();
    // By id: the service that was asked for, and when it was due.
    let asked: Arc<Vec<(AtomicU64, AtomicU64)>> = Arc::new((0..1 << 16).map(|_| Default::default()).collect());
    let receiving = {
        let (socket, asked) = (Arc::clone(&socket), Arc::clone(&asked));
        thread::spawn(move || {
            let (mut count, mut times, mut response) = (0_u64, histogram(), [0; 1500]);
            while let Ok(length) = socket.recv(&mut response) {
                let (service, due) = &asked[usize::from(u16::from_be_bytes([response[0], response[1]]))];
                let service = service.load(Ordering::Acquire) as u32;
                let shown = addresses(&response[..length], query(service, 0).len(), service).count();
                // Two instances may have drawn the same address, which is one record then.
                assert!((6..=INSTANCES as usize).contains(&shown), "{shown} addresses");
                let due = due.load(Ordering::Acquire);
                times.saturating_record((begun.elapsed().as_nanos() as u64).saturating_sub(due));
                count += 1;
            }
            (count, times)
        })
    };
    let mut sent = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let due = begun.elapsed().as_nanos() as u64 * u64::from(QUERIES) / 1_000_000_000;
        while sent < due {
            let (service, id) = (fastrand::u32(..services), sent as u16);
            let (of, at) = &asked[usize::from(id)];
            of.store(service.into(), Ordering::Release);
            at.store(sent * 1_000_000_000 / u64::from(QUERIES), Ordering::Release);
            socket.send(&query(service, id)).expect("a query");
            sent += 1;
        }
        thread::sleep(Duration::from_micros(200));
    }
    let (received, times) = receiving.join().expect("the answers");
    assert_eq!(received, sent, "queries were lost");
    (sent, times)
}

/// Asks for each change until DNS shows it.
fn look(server: SocketAddr, wanted: &mpsc::Receiver<Wanted>) -> Vec<Looked> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server).expect("a server");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let mut looked = Vec::new();
    let mut response = [0; 1500];
    while let Ok((batch, service, address, due)) = wanted.recv() {
        if due.elapsed() > Duration::from_millis(1) {
            // It waited here, and could be shown long since.
            continue;
        }
        let query = query(service, 0);
        loop {
            socket.send(&query).expect("a query");
            let length = socket.recv(&mut response).expect("an answer");
            if addresses(&response[..length], query.len(), service).any(|shown| shown == address) {
                break;
            }
            assert!(due.elapsed() < Duration::from_secs(5), "a change is not shown");
        }
        looked.push(Looked { batch, due, seen: Instant::now() });
    }
    looked
}

//----------- Times ------------------------------------------------------------

/// Of nanoseconds, to three digits; what takes longer than a minute counts as that.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("three digits, up to a minute")
}

/// Prints the times that matter, and writes all of them.
fn report(what: &str, name: &str, histogram: &mut Histogram<u64>) {
    let at = |quantile| Duration::from_nanos(histogram.value_at_quantile(quantile));
    println!(
        "    {what}: half within {:.2?}, 99 % {:.2?}, 99.9 % {:.2?}, at most {:.2?} (of {})",
        at(0.5),
        at(0.99),
        at(0.999),
        Duration::from_nanos(histogram.max()),
        histogram.len()
    );
    write(name, histogram);
}

/// Writes a histogram: a line for each step, nanoseconds and the share of what took no longer.
fn write(name: &str, histogram: &mut Histogram<u64>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/channel");
    std::fs::create_dir_all(&folder).expect("a folder");
    let lines = histogram
        .iter_quantiles(4)
        .map(|step| format!("{} {:.6}\n", step.value_iterated_to(), step.quantile_iterated_to()));
    std::fs::write(folder.join(format!("{name}.txt")), lines.collect::<String>()).expect("a file");
}
