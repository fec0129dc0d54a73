//! A rise over what is usual at the same hour.

use super::*;

const SPIKE: &str = r#"
[[requests]]
log   = "/var/log/nginx/access.log"
spike = { per = "user", factor = 5.0, against = "same-hour-of-week", min = 50 }
"#;

#[test]
fn a_rise_over_the_same_hour_of_other_weeks_is_found_and_does_not_become_usual() {
    let mut bed = Bed::new();
    let alice = |bed: &Bed, count| bed.send(NGINX, 0, count, "10.0.0.1", "alice", "GET / HTTP/1.1");
    alice(&bed, 4000);
    assert_eq!(bed.pass(SPIKE), [], "nothing is known of this hour yet");
    bed.wait(60);
    bed.pass(SPIKE);
    for week in 1..=3 {
        bed.wait(7 * 24 * 60 - 60);
        alice(&bed, 12);
        assert_eq!(bed.pass(SPIKE), [], "week {week}");
        bed.wait(60);
        alice(&bed, 40);
        assert_eq!(bed.pass(SPIKE), [], "below min in week {week}");
    }
    // Usual are now 4000 and 12 in turn: (4000 + 3 * 12) / 4. So much the rule allows.
    bed.wait(7 * 24 * 60 - 60);
    alice(&bed, 5046);
    assert_eq!(
        titles(&bed.pass(SPIKE)),
        "request-spike user alice sent 5046 requests in the hour from Sunday 12:00, usually 1009 (/var/log/nginx/access.log)"
    );
    bed.wait(1);
    suggestions_hold(&mut bed, SPIKE);
}

#[test]
fn a_spike_is_found_also_when_the_hour_is_over_and_for_somebody_new() {
    let mut bed = Bed::new();
    bed.get(1, "10.0.0.1");
    bed.pass(SPIKE);
    bed.wait(7 * 24 * 60 + 65);
    bed.send(NGINX, 65, 51, "10.0.0.1", "mallory", "GET /x HTTP/1.1");
    bed.send(NGINX, 65, 49, "10.0.0.1", "alice", "GET /x HTTP/1.1");
    let findings = bed.pass(SPIKE);
    whole(
        &findings,
        &expect![[r#"
        request-spike /var/log/nginx/access.log user mallory
        user mallory sent 51 requests in the hour from Sunday 12:00, usually 0 (/var/log/nginx/access.log)
        {"log":"/var/log/nginx/access.log","counted-per":"user","who":"mallory","requests":51,"usual":0.0,"hour":"Sunday 12:00 (UTC+00)","weeks-known":1}
        nearest: requests /var/log/nginx/access.log (policy.toml:3): it allows 5 times the usual 0, and anything below 50
        [[requests]]
        log   = "/var/log/nginx/access.log"
        spike = { per = "user", factor = 5.0, against = "same-hour-of-week", min = 64, only = ["mallory"] }
        why   = "…"
    "#]],
    );
    bed.wait(1);
    assert_eq!(bed.pass(SPIKE), []);
    // What was a spike counts as usual only up to what would have been none.
    bed.wait(7 * 24 * 60 - 65);
    bed.send(NGINX, 0, 126, "10.0.0.1", "mallory", "GET /x HTTP/1.1");
    assert_eq!(
        titles(&bed.pass(SPIKE)),
        "request-spike user mallory sent 126 requests in the hour from Sunday 12:00, usually 25 (/var/log/nginx/access.log)"
    );
}

#[test]
fn lines_that_were_lost_do_not_make_an_hour_look_quiet() {
    let mut bed = Bed::new();
    bed.get(1, "10.0.0.1");
    bed.pass(SPIKE);
    bed.wait(7 * 24 * 60);
    let log = bed.root.path().join("var/log/nginx/access.log");
    fs::write(&log, "").unwrap();
    bed.send(NGINX, 0, 60, "10.0.0.1", "alice", "GET / HTTP/1.1");
    assert_eq!(bed.pass(SPIKE), []);
    assert_eq!(bed.gaps[0].gap, "request-log-rotated");
}

#[test]
fn what_is_usual_survives_packing() {
    let slot: serde_json::Value = serde_json::json!("3\n0.25 a b\n17.50 x");
    let read: super::spike::Slot = serde_json::from_value(slot.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), slot);
}
