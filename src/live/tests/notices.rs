//! What is sent to whom: in order, whole, again until it is acknowledged, and nobody else's.

use super::*;

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_after_a_reconnect_in_order_and_whole() {
    let site = Site::open().await;
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(site.notify("c1", json!({"type": "new_customer", "number": number})).await);
    }
    let mut client = site.connect("c1", Role::Consultant).await;
    assert_eq!(client.notices(100).await, ids);
    let acked = client.ask(json!({"type": "ack", "ids": ids[..60], "ref": 1})).await;
    assert_eq!((&acked["ref"], acked["result"]["acked"].as_array().unwrap().len()), (&json!(1), 60));
    drop(client);
    site.until_connections("c1", 0).await;
    // Committed by a process that died before it could say so.
    ids.push(site.store.notify_for_test(&site.run, "c1", json!({})).await);
    let mut client = site.dial("/live/ws", &[]).await.unwrap();
    let hello = client.ask(json!({"type": "auth", "token": site.token("c1", Role::Consultant)})).await;
    assert_eq!(hello["unacked"], 41);
    assert_eq!(client.notices(41).await, ids[60..]);
    let live = site.notify("c1", json!({"title": "新客户注册"})).await;
    let frame = client.next().await;
    assert_eq!(
        (frame["id"].as_str(), &frame["kind"], &frame["payload"]["title"]),
        (Some(live.as_str()), &json!("new_customer"), &json!("新客户注册"))
    );
    assert!(client.is_left_alone().await, "nothing comes twice within the time for acknowledgements");
    let (sent, acked) = site.store.notification_times_for_test(&ids[0]);
    assert_eq!((sent, acked), (Some(NOW), Some(NOW)));
}

#[tokio::test]
async fn rows_committed_out_of_order_are_not_passed_over() {
    let site = Site::open().await;
    let mut client = site.connect("c1", Role::Consultant).await;
    let first = site.notify("c1", json!({})).await;
    assert_eq!(client.notices(1).await, [first.as_str()]);
    let earlier = "00000000-0000-7000-8000-000000000001";
    assert!(*earlier < *first);
    site.store.notify_as_for_test(earlier, &site.run, "c1", json!({})).await;
    site.hub.deliver(["c1"]);
    assert_eq!(client.notices(1).await, [earlier]);
}

#[tokio::test]
async fn everybody_gets_what_is_theirs_and_nobody_elses() {
    let site = Site::open().await;
    let mut one = site.connect("c1", Role::Consultant).await;
    let mut two = site.connect("c2", Role::Consultant).await;
    let mut customer = site.connect("cust", Role::Customer).await;
    let (own, shared) = (site.notify("c1", json!(1)).await, site.notify(EVERY_CONSULTANT, json!(2)).await);
    assert_eq!(one.notices(2).await, [own.clone(), shared.clone()]);
    assert_eq!(two.notices(1).await, [shared.as_str()]);
    let welcome = site.notify("cust", json!(3)).await;
    assert_eq!(customer.notices(1).await, [welcome]);
    let foreign = two.ask(json!({"type": "ack", "id": own})).await;
    let unknown = two.ask(json!({"type": "ack", "id": "no-such-id"})).await;
    assert_eq!(foreign, unknown, "nothing tells a foreign notice from none");
    assert_eq!(foreign["code"], "not_found");
    assert_eq!(customer.ask(json!({"type": "ack", "id": shared})).await, foreign);
    assert_eq!(site.store.notification_times_for_test(&own).1, None);
    assert!(customer.is_left_alone().await && one.is_left_alone().await && two.is_left_alone().await);
}

#[tokio::test]
async fn two_tabs_get_a_notice_and_one_acknowledgement_is_enough() {
    let site = Site::with(&[("notice.ack_timeout", json!("250ms"))], |_| ()).await;
    let mut left = site.connect("c1", Role::Consultant).await;
    let mut right = site.connect("c1", Role::Consultant).await;
    let id = site.notify("c1", json!({})).await;
    assert_eq!(left.notices(1).await, [id.as_str()]);
    assert_eq!(right.notices(1).await, [id.as_str()]);
    assert_eq!(left.notices(1).await, [id.as_str()], "unacknowledged, it comes again on the same connection");
    assert_eq!(right.notices(1).await, [id.as_str()]);
    for tab in [&mut left, &mut right] {
        assert_eq!(tab.ask(json!({"type": "ack", "id": id})).await["result"]["acked"], json!([id]), "twice is the same");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(left.is_left_alone().await && right.is_left_alone().await);
}
