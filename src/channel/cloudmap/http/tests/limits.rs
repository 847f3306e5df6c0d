//! What no client can take from the others, and how a stop ends them.

use super::*;

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_unread() {
    let api = Api::start();
    let exact = "x".repeat(1 << 20);
    assert_eq!(api.connect().await.ask(json("GetService", &exact)).await.status, 200);

    let head = json("GetService", "").replace("Content-Length: 0", "Content-Length: 1048577");
    let chunked = json("GetService", "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let chunks = format!("{chunked}100001\r\n{exact}x");
    // The first says so and sends nothing, the second says so and sends it all, the third does not say so.
    for request in [head.clone(), format!("{head}{exact}x"), chunks] {
        let mut client = api.connect().await;
        let reply = client.ask(request).await;
        assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some("InvalidInput")));
        assert_eq!(reply.header("connection"), Some("close"));
        assert!(reply.text().contains("more than 1048576 octets"), "{}", reply.text());
        assert!(client.is_closed().await);
    }
    // Who asks first is told at once.
    let mut client = api.connect().await;
    let reply = client.ask(head.replace("Host:", "Expect: 100-continue\r\nHost:")).await;
    assert_eq!(reply.status, 400);
}

/// Limits that tests can wait for.
pub(super) fn short() -> Limits {
    Limits { arrival: Duration::from_millis(300), idle: Duration::from_millis(900), ..Limits::default() }
}

#[tokio::test]
async fn slow_and_silent_clients_are_closed() {
    let api = Api::start_with(Gate::new(None, "us-east-1"), None, short());
    let mut slow = api.connect().await;
    let mut silent = api.connect().await;
    let mut used = api.connect().await;
    let mut body = api.connect().await;
    assert_eq!(used.ask(json("GetService", "{}")).await.status, 200);
    let begun = Instant::now();
    body.send(json("GetService", "").replace("Content-Length: 0", "Content-Length: 5") + "12").await;
    let drip = tokio::spawn(async move {
        for octet in json("GetService", "").into_bytes() {
            if slow.0.write_all(&[octet]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        assert!(slow.is_closed().await);
        begun.elapsed()
    });
    let reply = body.receive().await.unwrap();
    assert_eq!((reply.status, reply.header("connection")), (400, Some("close")));
    assert!(reply.text().contains("did not arrive within 0.3 seconds"), "{}", reply.text());
    let dripped = drip.await.unwrap();
    assert!(dripped >= Duration::from_millis(300) && dripped < Duration::from_millis(850), "{dripped:?}");
    assert!(silent.is_closed().await && used.is_closed().await);
    assert!(begun.elapsed() >= Duration::from_millis(850), "{:?}", begun.elapsed());
    api.wait_for("fingerpost_api_connections_closed_total{reason=\"idle\"} 3").await;
}

#[tokio::test]
async fn a_long_answer_is_no_idle_connection() {
    let limits = Limits { idle: Duration::from_millis(50), arrival: Duration::from_millis(50), ..Limits::default() };
    let api = Api::start_with(Gate::new(None, "us-east-1"), None, limits);
    assert_eq!(api.connect().await.ask(json("ListOperations", "{}")).await.status, 200);
}

#[tokio::test]
async fn the_connection_idle_for_longest_makes_room() {
    let api = Api::start_with(Gate::new(None, "us-east-1"), None, Limits { connections: 2, ..Limits::default() });
    let (mut one, mut two) = (api.connect().await, api.connect().await);
    two.ask(json("GetService", "{}")).await;
    one.ask(json("GetService", "{}")).await;
    let mut three = api.connect().await;
    assert_eq!(three.ask(json("GetService", "{}")).await.status, 200);
    assert!(two.is_closed().await);
    assert_eq!(one.ask(json("GetService", "{}")).await.status, 200);
    api.wait_for("fingerpost_api_connections_closed_total{reason=\"limit\"} 1").await;
}

#[tokio::test]
async fn a_stop_waits_for_requests_at_hand_and_nothing_else() {
    let api = Api::start();
    let (mut busy, mut fresh, mut idle) = (api.connect().await, api.connect().await, api.connect().await);
    idle.ask(json("GetService", "{}")).await;
    busy.send(json("ListOperations", "{}")).await;
    sleep(Duration::from_millis(50)).await;
    let begun = Instant::now();
    api.stop.send_replace(true);
    assert!(fresh.is_closed().await && idle.is_closed().await);
    assert_eq!(busy.receive().await.unwrap().status, 200);
    assert!(busy.is_closed().await);
    timeout(PATIENCE, api.task).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(TcpStream::connect(api.address).await.is_err());
}
