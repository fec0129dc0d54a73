//! What `watchdog explain :PORT` says.

use super::*;
use crate::watch::listener::explain;

#[test]
fn explaining_a_port_says_the_rule_of_each_door_or_what_would_allow_it() {
    let udp = listener(Protocol::Udp, "0.0.0.0:443", vec![process(9, "/tmp/quic", "www-data")]);
    let mut handed =
        listener(Protocol::Tcp, "127.0.0.1:443", vec![process(1, "/usr/lib/systemd/systemd", "root")]);
    handed.heirs = vec![Arc::new(process(12, "/usr/bin/cockpit", "root"))];
    let seen = facts(vec![
        tcp("0.0.0.0:443", "/usr/sbin/nginx"),
        tcp("[::]:443", "/usr/sbin/nginx"),
        tcp("0.0.0.0:80", "/usr/sbin/nginx"),
        handed,
        udp,
    ]);
    let policy = format!(
        "{NGINX}why = \"the shop\"\n[[listener]]\nprotocol = \"tcp\"\nbind = \"loopback\"\nport = 443\nexe = \"/usr/bin/cockpit\"\n"
    );
    let mut out = String::new();
    for explained in explain(&seen, &rules(&policy), 443, now()) {
        out += &format!("{}: {}", explained.is_allowed, explained.text);
    }
    expect![[r#"
        true: tcp any 443 exe=/usr/sbin/nginx: 0.0.0.0:443, [::]:443, opened by root (7)
          allowed as listener tcp any 443 /usr/sbin/nginx (policy.toml:3)
          because: the shop
        true: tcp loopback 443 exe=/usr/lib/systemd/systemd: 127.0.0.1:443, opened by root (1)
          allowed: it was handed to others, and each of them may have it
        false: udp any 443 exe=/tmp/quic: 0.0.0.0:443, opened by www-data (9)
          not allowed
          this would allow it:
        [[listener]]
        protocol = "udp"
        bind     = "any"
        port     = 443
        exe      = "/tmp/quic"
        why      = "…"
    "#]]
    .assert_eq(&out);
    assert_eq!(explain(&seen, &rules(&policy), 22, now()), []);
}
