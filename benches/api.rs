//! The registry and its API at one million instances, as `cargo bench --bench api [SERVICES]`: how long a start takes
//! until the first right answer, how much memory is held, and how many registrations and discoveries go through.
//!
//! The real program, durable, with signatures verified; the client is on the same cores. Each of 125,000 services has
//! eight instances with the attributes that ECS sets. First registrations one after the other over one connection, beside
//! what the disk takes; then over many. A registration counts when its reply is there; every hundredth is
//! then looked for in DNS at once, and has to be there.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fingerpost::sigv4::{Credential, Signer};
use hyper::HeaderMap;
use hyper::header::HeaderValue;

use million::{INSTANCES, NAMESPACE, Server, attributes, fill, instance_id, service_id, service_name, syncs};

mod million;

/// Connections that are kept alive.
const CONNECTIONS: usize = 64;
/// How long each kind of request is sent.
const DURATION: Duration = Duration::from_secs(8);

fn main() {
    let services = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(125_000);
    let folder = tempfile::tempdir().expect("a folder");
    let start = Instant::now();
    fill(folder.path(), services);
    println!("{services} services of {INSTANCES} instances, stored in {:.1?}", start.elapsed());
    for round in 1..=3 {
        let start = Instant::now();
        let server = Server::start(folder.path(), "api");
        let ready = start.elapsed();
        server.wait_for_answer(services - 1);
        println!(
            "start {round}: ready after {ready:.2?}, first right answer after {:.2?}; {} MB resident, {} MB at most",
            start.elapsed(),
            server.resident("VmRSS"),
            server.resident("VmHWM")
        );
    }
    let server = Server::start(folder.path(), "api");
    server.wait_for_answer(services - 1);
    for round in 1..=3 {
        println!("a page appended and brought to disk, {round}: {:.0}/s one after the other", syncs(folder.path()));
        measure(&server, &format!("RegisterInstance, alone, {round}"), 1, "RegisterInstance", |number| {
            register(services, &format!("alone-{round}-{number}"), number)
        });
    }
    for round in 1..=3 {
        measure(&server, &format!("RegisterInstance, new, {round}"), CONNECTIONS, "RegisterInstance", |number| {
            register(services, &format!("new-{round}-{number}"), number)
        });
        measure(&server, &format!("RegisterInstance, again, {round}"), CONNECTIONS, "RegisterInstance", |number| {
            // Far apart, so that no two at once are for one instance.
            let service = (u64::from(number) * 7919 % u64::from(services)) as u32;
            register(services, &instance_id(service, number / services % INSTANCES), service)
        });
        measure(&server, &format!("DiscoverInstances, {round}"), CONNECTIONS, "DiscoverInstances", |_| {
            let service = fastrand::u32(..services);
            (service, 0, format!(r#"{{"NamespaceName":"{NAMESPACE}","ServiceName":"{}"}}"#, service_name(service)))
        });
    }
    println!("{} MB resident in the end, {} MB at most", server.resident("VmRSS"), server.resident("VmHWM"));
}

/// A registration of `id`: service, the address that must then be in DNS, and the body.
fn register(services: u32, id: &str, number: u32) -> (u32, u32, String) {
    let service = number % services;
    let address = 0x0b00_0000 + fastrand::u32(..1 << 24);
    let pairs: Vec<_> =
        attributes(Ipv4Addr::from(address)).iter().map(|(key, value)| format!(r#""{key}":"{value}""#)).collect();
    let body = format!(
        r#"{{"ServiceId":"{}","InstanceId":"{id}","CreatorRequestId":"{id}-{address}","Attributes":{{{}}}}}"#,
        service_id(service),
        pairs.join(",")
    );
    (service, address, body)
}

//----------- Requests ---------------------------------------------------------

/// Sends requests over so many connections at once, each the next as soon as it has its reply, and prints how many went
/// through and how long they took. `request` makes one of a number: service, address to be found in DNS, and body.
fn measure(
    server: &Server,
    title: &str,
    connections: usize,
    action: &str,
    request: impl Fn(u32) -> (u32, u32, String) + Sync,
) {
    let number = AtomicU32::new(0);
    let looked_for = AtomicUsize::new(0);
    let times = Mutex::new(Vec::new());
    let credential =
        || Credential { access_key_id: "bench".into(), secret_access_key: "secret".into(), session_token: None };
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let signer = Signer::new(credential(), "eu-central-1", "servicediscovery");
                let mut connection = Connection::open(server.channel);
                let mut mine = Vec::new();
                while begun.elapsed() < DURATION {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let (service, address, body) = request(number);
                    let start = Instant::now();
                    connection.send(&signer, action, &body);
                    mine.push(start.elapsed());
                    if address != 0 && number.is_multiple_of(100) {
                        let found = server.addresses(service);
                        // Of more than eight, an answer shows eight.
                        assert!(
                            found.contains(&address) || found.len() == 8,
                            "{service} lacks {address:x}: {found:x?}"
                        );
                        looked_for.fetch_add(1, Ordering::Relaxed);
                    }
                }
                times.lock().expect("nobody panicked").extend(mine);
            });
        }
    });
    let elapsed = begun.elapsed();
    let mut times = times.into_inner().expect("nobody panicked");
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{title}: {:.0}/s over {connections} connections; half within {:.2?}, 99 % within {:.2?}, at most {:.2?}; {} \
         looked for in DNS",
        times.len() as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
        looked_for.into_inner()
    );
}

/// A connection that is kept alive.
struct Connection {
    stream: TcpStream,
    host: HeaderValue,
    reply: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let host = HeaderValue::from_str(&server.to_string()).expect("a host");
        Self { stream, host, reply: vec![0; 16384] }
    }

    /// Sends a request and reads its reply, which has to be a good one.
    fn send(&mut self, signer: &Signer, action: &str, body: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        let mut headers = HeaderMap::new();
        headers.insert("host", self.host.clone());
        headers.insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
        let target = format!("Route53AutoNaming_v20170314.{action}");
        headers.insert("x-amz-target", HeaderValue::from_str(&target).expect("a target"));
        signer.sign(now, "POST", "/", "", &mut headers, body.as_bytes()).expect("a signature");
        let mut request = b"POST / HTTP/1.1\r\n".to_vec();
        for (name, value) in &headers {
            request.extend_from_slice(name.as_str().as_bytes());
            request.extend_from_slice(b": ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        write!(request, "content-length: {}\r\n\r\n{body}", body.len()).expect("memory");
        self.stream.write_all(&request).expect("a request");
        let mut length = 0;
        let whole = loop {
            let read = self.stream.read(&mut self.reply[length..]).expect("a reply");
            assert!(read > 0, "the connection was closed");
            length += read;
            let text = &self.reply[..length];
            if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = std::str::from_utf8(&text[..end]).expect("a head");
                let field = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let body: usize = field.and_then(|field| field.parse().ok()).expect("a length");
                if length == end + 4 + body {
                    break text;
                }
            }
        };
        assert!(whole.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(whole));
    }
}
