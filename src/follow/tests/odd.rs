//! Primaries that say what is wrong, or nothing at all; and one that does all as it should.

use std::time::{Duration, Instant};

use super::whole::{beat, hash, instance, namespace, one_more, service, state};
use super::*;
use crate::channel::grpc::proto::{Changes, Heartbeat, StateChunk};
use crate::follow::stream::{SILENCE, held};

/// Brings the follower in step with a state of two instances at revision 7.
async fn in_step(scene: &mut Scene) -> Call {
    let call = scene.call().await;
    for event in state(7, 2) {
        call.send(event).await;
    }
    scene.eventually("the state is taken over", |scene| scene.catalog.read().revision() == 7).await;
    scene.eventually("it is in step", |scene| scene.status.primary().is_some()).await;
    call
}

#[tokio::test]
async fn a_sound_primary_is_followed_and_told_what_shows() {
    let mut scene = Scene::new().await;
    let call = scene.call().await;
    assert_eq!((call.first.from_revision, call.first.state_hash), (0, 0));
    assert_eq!((&*call.first.namespaces, &*call.first.node), (&["z.test".to_owned()][..], "tester"));
    for event in state(7, 2) {
        call.send(event).await;
    }
    call.send(Event::Changes(one_more(9, 3))).await;
    // What it does not follow moves the revision alone.
    call.send(beat(12, 3)).await;
    scene.eventually("all is taken over", |scene| scene.catalog.read().revision() == 12).await;
    let Call { mut reports, .. } = call;
    let mut reported = Vec::new();
    while reported.last() != Some(&12) {
        reported.push(reports.message().await.unwrap().unwrap().visible_revision);
    }
    assert!(reported.is_sorted());
    assert_eq!(scene.visibility.visible(), 12);
    {
        let catalog = scene.catalog.read();
        assert_eq!((held(&catalog), catalog.instance_count()), ((12, hash(3)), 3));
        let id = crate::model::NamespaceId::of_name(&["z.test"]);
        assert_eq!((catalog.serial(id), catalog.name_servers()[0].to_string()), (9, "ns1.example.com.".to_owned()));
    }
    assert_eq!(scene.status.failures(), [0; FAILURES.len()]);
    assert_eq!(scene.status.connections(), (1, 1));
    scene.stop.send_replace(true);
    scene.eventually("it stops", |scene| scene.status.primary().is_none()).await;
}

#[tokio::test]
async fn a_follower_comes_back_with_what_it_holds() {
    let mut scene = Scene::new().await;
    drop(in_step(&mut scene).await);
    let call = scene.call().await;
    assert_eq!((call.first.from_revision, call.first.state_hash), (7, hash(2)));
    assert_eq!(call.first.name_servers, ["ns1.example.com."]);
    assert_eq!(scene.failed(Failure::Closed), 1);
    call.send(Event::Changes(one_more(8, 3))).await;
    scene.eventually("it goes on", |scene| scene.catalog.read().revision() == 8).await;
    scene.eventually("it is in step again", |scene| scene.status.connections() == (2, 1)).await;
}

#[tokio::test]
async fn a_wrong_hash_has_the_whole_state_asked_for() {
    let mut scene = Scene::new().await;
    let call = in_step(&mut scene).await;
    call.send(Event::Changes(Changes { state_hash: 1, ..one_more(8, 3) })).await;
    let call = scene.call().await;
    assert_eq!((call.first.from_revision, call.first.state_hash), (0, 0));
    assert_eq!(scene.failed(Failure::Diverged), 1);
    assert_eq!(scene.catalog.read().instance_count(), 2, "nothing of it was taken over");
    // An older state of another primary is taken as it is.
    for event in state(5, 1) {
        call.send(event).await;
    }
    scene.eventually("the state is taken over", |scene| scene.catalog.read().revision() == 5).await;
    assert_eq!(scene.catalog.read().instance_count(), 1);
    call.send(Event::Heartbeat(Heartbeat { revision: 5, state_hash: 1 })).await;
    let call = scene.call().await;
    assert_eq!(call.first.from_revision, 0);
    assert_eq!(scene.failed(Failure::Diverged), 2);
}

#[tokio::test]
async fn nonsense_is_counted_and_changes_nothing() {
    let mut scene = Scene::new().await;
    drop(in_step(&mut scene).await);
    let chunk = |chunk: StateChunk| Event::State(chunk);
    let first = || StateChunk { first: true, revision: 8, last: true, ..Default::default() };
    let nonsense = [
        chunk(StateChunk { revision: 8, last: true, ..Default::default() }),
        chunk(StateChunk { namespaces: vec![proto::Namespace { id: "short".into(), ..namespace() }], ..first() }),
        chunk(StateChunk { namespaces: vec![proto::Namespace { r#type: 77, ..namespace() }], ..first() }),
        chunk(StateChunk { namespaces: vec![proto::Namespace { name: "a..b".into(), ..namespace() }], ..first() }),
        chunk(StateChunk { services: vec![service()], state_hash: 1, ..first() }),
        chunk(StateChunk { name_servers: vec!["a..b".into()], ..first() }),
        Event::Changes(Changes {
            instances: vec![proto::Instance { id: "a b".into(), ..instance(3) }],
            ..one_more(8, 3)
        }),
        Event::Changes(Changes { instances: vec![proto::Instance { status: 9, ..instance(3) }], ..one_more(8, 3) }),
        Event::Changes(Changes {
            instances: vec![proto::Instance { attributes: vec!["alone".into()], ..instance(3) }],
            ..one_more(8, 3)
        }),
        Event::Changes(Changes {
            instances: vec![proto::Instance { attributes: vec!["a".into(), "\u{1e}".into()], ..instance(3) }],
            ..one_more(8, 3)
        }),
        Event::Changes(Changes { removed_services: vec!["x".into()], ..one_more(8, 2) }),
    ];
    for (number, event) in nonsense.into_iter().enumerate() {
        let told = format!("{event:?}");
        let call = scene.call().await;
        call.send(event).await;
        scene
            .eventually(&format!("{told} is refused"), |scene| scene.failed(Failure::Message) == number as u64 + 1)
            .await;
        let (revision, hash_now) = held(&scene.catalog.read());
        assert_eq!((revision, hash_now), (7, hash(2)), "{told}");
    }
}

#[tokio::test]
async fn what_is_no_message_is_counted() {
    let mut scene = Scene::new().await;
    let call = scene.call().await;
    call.replies.send(Ok(FollowReply { event: None })).await.unwrap();
    scene.eventually("it is refused", |scene| scene.failed(Failure::Message) == 1).await;
    let call = scene.call().await;
    call.replies.send(Err(Refused::permission_denied("no"))).await.unwrap();
    scene.eventually("the refusal is counted", |scene| scene.failed(Failure::Refused) == 1).await;
    // Larger than any message may be.
    let call = scene.call().await;
    let name = "n".repeat(17 << 20);
    call.send(Event::State(StateChunk { name_servers: vec![name], ..Default::default() })).await;
    scene.eventually("it is refused", |scene| scene.failed(Failure::Message) == 2).await;
}

#[tokio::test]
async fn silence_is_the_end_of_a_stream() {
    let mut scene = Scene::new().await;
    let begun = Instant::now();
    let call = scene.call().await;
    scene.eventually("it is given up", |scene| scene.failed(Failure::Silent) == 1).await;
    let elapsed = begun.elapsed();
    assert!(elapsed >= SILENCE && elapsed < SILENCE * 2, "{elapsed:?}");
    drop(call);
}

#[tokio::test]
async fn heartbeats_keep_a_stream_alive_and_the_state_fresh() {
    let mut scene = Scene::new().await;
    let call = in_step(&mut scene).await;
    let begun = Instant::now();
    while begun.elapsed() < SILENCE + Duration::from_secs(2) {
        tokio::time::sleep(Duration::from_secs(2)).await;
        call.send(beat(7, 2)).await;
    }
    scene
        .eventually("the last one is heard", |scene| scene.status.age().is_some_and(|age| age < Duration::from_secs(1)))
        .await;
    assert_eq!(scene.status.failures(), [0; FAILURES.len()]);
    // A reader that is fast enough sees no message twice.
    assert!(scene.calls.try_recv().is_err());
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let open = listener.local_addr().unwrap();
    let (sender, calls) = mpsc::channel(16);
    let server = tonic::transport::Server::builder().add_service(RegistryServer::new(Odd(sender)));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut scene = Scene::with(&[closed, open], calls);
    let _call = in_step(&mut scene).await;
    assert_eq!(scene.failed(Failure::Connect), 1);
    assert_eq!(scene.status.primary().as_deref(), Some(&*format!("http://{open}")));
}
