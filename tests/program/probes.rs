//! Active health checks: instances that stop answering leave DNS, and come back when they answer again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hickory_proto::rr::RecordType;
use tempfile::TempDir;

use crate::support::{Launch, Udp, addresses, eventually, query};

/// An HTTP server on `address` that answers as `healthy` says.
fn serve(address: &str, healthy: &Arc<AtomicBool>) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    let healthy = Arc::clone(healthy);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1024]);
            let status = if healthy.load(Ordering::Relaxed) { "200 OK" } else { "503 Unavailable" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    port
}

#[test]
fn an_instance_that_fails_its_probes_leaves_dns_until_it_passes_again() {
    let healthy = Arc::new(AtomicBool::new(true));
    let port = serve("127.0.0.1:0", &healthy);
    let always = Arc::new(AtomicBool::new(true));
    let other = serve("127.0.0.2:0", &always);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("public.yaml");
    let text = format!(
        "version: 1\nnamespaces:\n- name: example.org\n  type: DNS_PUBLIC\n  services:\n  - name: api\n    \
         dns_records: [{{type: A, ttl: 1}}]\n    health_check_config: {{type: HTTP, resource_path: /ready, \
         failure_threshold: 1}}\n    instances:\n    - {{id: a, attributes: {{AWS_INSTANCE_IPV4: 127.0.0.1, \
         AWS_INSTANCE_PORT: {port}}}}}\n    - {{id: b, attributes: {{AWS_INSTANCE_IPV4: 127.0.0.2, \
         AWS_INSTANCE_PORT: {other}}}}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let server = Launch::serve(&file).flag("--probe-interval", "1").start();
    let udp = Udp::connect(server.address());
    let found = || addresses(&udp.ask(&query("api.example.org.", RecordType::A))).len();
    assert_eq!(found(), 2, "nobody has been reached yet: all count as healthy");
    healthy.store(false, Ordering::Relaxed);
    eventually("the failing instance leaves", || found() == 1);
    healthy.store(true, Ordering::Relaxed);
    eventually("it comes back", || found() == 2);
    // With none that passes, all are answered: fail-open.
    always.store(false, Ordering::Relaxed);
    eventually("the other one leaves", || found() == 1);
    healthy.store(false, Ordering::Relaxed);
    eventually("both fail, and so both are answered", || found() == 2);
    always.store(true, Ordering::Relaxed);
    eventually("one passes, and is alone", || found() == 1);
}

#[test]
fn a_probe_that_is_written_otherwise_finds_the_dead_again() {
    let always = Arc::new(AtomicBool::new(true));
    let port = serve("127.0.0.3:0", &always);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("public.yaml");
    let write = |probe: &str| {
        let text = format!(
            "version: 1\nnamespaces:\n- name: example.org\n  type: DNS_PUBLIC\n  services:\n  - name: api\n    \
             dns_records: [{{type: A, ttl: 1}}]\n    health_check_config: {{type: HTTP, failure_threshold: 1{probe}}}\n    \
             instances:\n    - {{id: a, attributes: {{AWS_INSTANCE_IPV4: 127.0.0.3, AWS_INSTANCE_PORT: {port}}}}}\n    \
             - {{id: dead, attributes: {{AWS_INSTANCE_IPV4: 127.0.0.4, AWS_INSTANCE_PORT: 1}}}}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    write("");
    let server = Launch::serve(&file).flag("--probe-interval", "1").start();
    let udp = Udp::connect(server.address());
    let found = || addresses(&udp.ask(&query("api.example.org.", RecordType::A))).len();
    eventually("the dead instance leaves", || found() == 1);
    // The same as before, but all that was found counts no more.
    write(", resource_path: /");
    eventually("the change is loaded", || server.metrics().get("fingerpost_declaration_loads_total") == 2.0);
    eventually("the dead instance leaves again", || found() == 1);
}
