//! Notifications, as a secondary sees them that answers late.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{ZONE, keys, serial, serve};
use crate::client::run;
use crate::support::{eventually, have_tool};

/// A secondary that is told, and says what it likes.
struct Secondary(UdpSocket);

impl Secondary {
    /// The next notification: who sent it, the message, the serial in it; `None` if none comes within `patience`.
    fn next(&self, patience: Duration) -> Option<(SocketAddr, Vec<u8>, u32)> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = [0; 512];
        let (length, from) = self.0.recv_from(&mut buffer).ok()?;
        let message = buffer[..length].to_vec();
        // NOTIFY with AA, a question for the SOA and the SOA as a hint, which ends with five numbers.
        assert_eq!(message[2..12], [0x24, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        let hint = &message[length - 20..];
        Some((from, message.clone(), u32::from_be_bytes([hint[0], hint[1], hint[2], hint[3]])))
    }

    /// Answers with `rcode`.
    fn answer(&self, (from, message, _): &(SocketAddr, Vec<u8>, u32), rcode: u8) {
        let question = ZONE.len() + 2 + 4;
        let mut response = message[..12 + question].to_vec();
        response[2] |= 0x80;
        response[3] = rcode;
        response[6..12].fill(0);
        self.0.send_to(&response, from).unwrap();
    }
}

#[test]
fn a_notification_is_repeated_until_it_is_answered_and_bursts_are_one() {
    if !have_tool("dig") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let secondary = Secondary(UdpSocket::bind("127.0.0.1:0").unwrap());
    let address = secondary.0.local_addr().unwrap();
    let server = serve(&format!("allow=127.0.0.1/32,notify={address}"), &keys(folder.path())).start();
    let last = || serial(server.address()).unwrap();
    run(&server, &format!("create namespace {ZONE}")).out();
    // Repeated with a growing pause; what happened meanwhile is in it.
    let long = Duration::from_secs(8);
    let first = secondary.next(long).unwrap();
    let begun = Instant::now();
    run(&server, &format!("create service api --namespace {ZONE} --record A:10")).out();
    let second = secondary.next(long).unwrap();
    let pause = begun.elapsed();
    assert!((Duration::from_millis(700)..Duration::from_secs(3)).contains(&pause), "{pause:?}");
    assert_eq!((second.2, first.2 < second.2), (last(), true));
    let begun = Instant::now();
    let third = secondary.next(long).unwrap();
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
    secondary.answer(&third, 0);
    // Changes on the way to the acknowledged one may be told once more.
    while let Some(again) = secondary.next(Duration::from_millis(2500)) {
        secondary.answer(&again, 0);
    }
    // A burst, for which one message comes, and one more for what came after it.
    let begun = Instant::now();
    for number in 0..20 {
        run(&server, &format!("register api.{ZONE} --id burst --ip 10.9.0.{number}")).out();
    }
    let (mut told, mut count) = (0, 0);
    while told != last() {
        let message = secondary.next(long).expect("the last change is told");
        secondary.answer(&message, 0);
        (told, count) = (message.2, count + 1);
    }
    let most = begun.elapsed().as_secs() + 2;
    assert!(count <= most, "{count} messages in {:?}", begun.elapsed());
    // Who refuses is not asked again, until something changes.
    run(&server, &format!("deregister api.{ZONE} burst")).out();
    let message = secondary.next(long).unwrap();
    secondary.answer(&message, 5);
    assert!(secondary.next(Duration::from_secs(3)).is_none());
    let result = |result: &str| {
        let metrics = server.metrics();
        metrics.family("fingerpost_notifies_total").get(&*format!("result=\"{result}\"")).copied().unwrap_or_default()
    };
    eventually("the refusal is counted", || result("refused") == 1);
    assert!(result("acknowledged") >= 2 && result("sent") > result("acknowledged"));
}
