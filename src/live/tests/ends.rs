//! What ends a connection: slowness, silence, garbage, the daemon's own end.

use super::*;

#[tokio::test]
async fn a_slow_reader_is_closed_and_holds_up_nobody() {
    let site = Site::with(&[], |limits| limits.write_timeout = Duration::from_millis(300)).await;
    let mut slow = site.connect("c1", Role::Consultant).await;
    let mut quick = site.connect("c2", Role::Consultant).await;
    // More than the sockets' buffers take.
    for _ in 0..40 {
        site.store.notify_for_test(&site.run, "c1", json!({"filler": "x".repeat(1 << 20)})).await;
    }
    site.hub.deliver(["c1"]);
    let id = site.notify("c2", json!({})).await;
    assert_eq!(timeout(Duration::from_millis(250), quick.notices(1)).await.expect("no waiting for the slow one"), [id]);
    // The frame that nobody takes ends the connection, while its close frame still waits for a while.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (code, reason) = slow.end().await;
    assert!(code == 4408 && reason.contains("too slowly"), "{code} {reason}");
    site.until_connections("c1", 0).await;
    assert_eq!(site.store.count_waiting_notifications(&Who::new("c1".into(), vec![Role::Doctor], 0).unwrap().audience()).unwrap(), 40);
}

#[tokio::test]
async fn a_client_that_misses_two_heartbeats_is_gone_and_one_that_answers_stays() {
    let site = Site::with(&[("live.heartbeat", json!("100ms"))], |_| ()).await;
    let mut silent = site.connect("c1", Role::Consultant).await;
    let mut alive = site.connect("c2", Role::Consultant).await;
    let idle = TaskTracker::new().spawn(async move { timeout(Duration::from_millis(800), alive.next()).await.is_err() });
    site.clock.advance_ms(5_000);
    site.until_connections("c1", 0).await;
    let (code, reason) = silent.end().await;
    assert!(code == 4408 && reason.contains("heartbeats"), "{code} {reason}");
    let presence = site.hub.presence("c2").unwrap();
    assert_eq!((presence.since, presence.last_seen), (NOW, NOW + 5_000), "pongs count as a sign of life");
    assert!(idle.await.unwrap(), "nothing but pings came");
}

#[tokio::test]
async fn garbage_is_answered_and_ends_the_connection_when_it_goes_on() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    for _ in 0..3 {
        for number in 0..9 {
            client.raw(if number % 2 == 0 { "{not json" } else { r#"{"type":"dance"}"# }).await;
            assert_eq!(client.next().await["code"], "invalid");
        }
        client.ask(json!({"type": "ack", "id": "x"})).await;
    }
    for _ in 0..10 {
        client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    }
    let (code, reason) = client.end().await;
    assert!(code == 4400 && reason.contains("unreadable"), "{code} {reason}");
    let mut client = site.connect("c1", Role::Consultant).await;
    client.raw(&" ".repeat(16 * 1024 + 1)).await;
    assert_eq!(client.end().await.0, 1009);
    let mut client = site.connect("c1", Role::Consultant).await;
    client.raw(&" ".repeat(1 << 20)).await;
    assert_eq!(client.end().await.0, 1002);
}

#[tokio::test]
async fn a_stop_says_goodbye_to_everybody_and_is_waited_for() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    let mut undecided = site.dial("/live/ws", &[]).await.unwrap();
    // The undecided one's connection has to have begun.
    tokio::time::sleep(Duration::from_millis(50)).await;
    site.stop.cancel();
    assert_eq!(client.end().await.0, 1001);
    assert_eq!(undecided.end().await.0, 1001);
    drop((client, undecided));
    site.tasks.close();
    timeout(Duration::from_secs(1), site.tasks.wait()).await.expect("every connection ends");
    assert_eq!(site.hub.online(Role::Consultant), []);
}
