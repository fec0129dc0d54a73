use super::*;
use proptest::prelude::*;

fn read(message: &[u8]) -> String {
    let shown = |attempt: &Try| {
        let method = attempt.method.as_deref().unwrap_or("-");
        format!("{:?} user {} from {} by {method}", attempt.account, attempt.user, attempt.from)
    };
    match parse_message(b"sshd", message) {
        None => "-".to_owned(),
        Some(Message::Accepted(a)) => {
            format!("accepted {} from {} by {} {}", a.user, a.from, a.method, a.key.as_deref().unwrap_or("-"))
        }
        Some(Message::Partial(key)) => format!("partial {}", key.as_deref().unwrap_or("-")),
        Some(Message::Console(user)) => format!("console {user}"),
        Some(Message::Failed(attempt)) => format!("failed {}", shown(&attempt)),
        Some(Message::PamFailed(attempt)) => format!("pam {}", shown(&attempt)),
        Some(Message::Ended(attempt)) => format!("ended {}", shown(&attempt)),
        Some(Message::TimedOut) => "timed out".to_owned(),
    }
}

#[test]
fn the_messages_of_sshd_are_understood() {
    for (message, meant) in [
        (
            "Accepted publickey for alice from 10.8.0.2 port 52144 ssh2: ED25519 SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs",
            "accepted alice from 10.8.0.2 by publickey SHA256:XkuzLk2SKxA0IqvzOIgz5qZsqtrw2M5Pl0HEQD4JdYs",
        ),
        (
            "Accepted password for bob from ::ffff:10.8.0.3 port 1 ssh2",
            "accepted bob from 10.8.0.3 by password -",
        ),
        (
            "Accepted keyboard-interactive/pam for bob from fe80::1%eth0 port 1 ssh2",
            "accepted bob from fe80::1 by keyboard-interactive -",
        ),
        ("Accepted key ED25519 SHA256:abc found at /root/.ssh/authorized_keys:1", "-"),
        ("Partial publickey for bob from 10.0.0.1 port 1 ssh2: RSA SHA256:abc", "partial SHA256:abc"),
        (
            "Failed password for root from 192.0.2.1 port 4000 ssh2",
            "failed Known user root from 192.0.2.1 by password",
        ),
        (
            "Failed password for invalid user admin from 192.0.2.1 port 4000 ssh2",
            "failed Unknown user admin from 192.0.2.1 by password",
        ),
        (
            "Failed publickey for invalid user admin from 192.0.2.1 port 4000 ssh2: RSA SHA256:abc",
            "failed Unknown user admin from 192.0.2.1 by publickey",
        ),
        (
            "Failed none for invalid user  from 192.0.2.1 port 1 ssh2",
            "failed Unknown user  from 192.0.2.1 by none",
        ),
        (
            "error: PAM: Authentication failure for illegal user x from host.example",
            "pam Unknown user x from host.example by keyboard-interactive",
        ),
        (
            "error: maximum authentication attempts exceeded for root from 192.0.2.1 port 1 ssh2 [preauth]",
            "ended Known user root from 192.0.2.1 by -",
        ),
        (
            "Connection closed by authenticating user root 192.0.2.1 port 4000 [preauth]",
            "ended Known user root from 192.0.2.1 by -",
        ),
        (
            "Disconnecting invalid user x y 192.0.2.1 port 4000: Too many authentication failures [preauth]",
            "ended Unknown user x y from 192.0.2.1 by -",
        ),
        ("fatal: Timeout before authentication for 192.0.2.1 port 4000", "timed out"),
        ("Connection closed by 192.0.2.1 port 4000 [preauth]", "-"),
        ("Postponed keyboard-interactive for root from 192.0.2.1 port 1 ssh2 [preauth]", "-"),
        ("Invalid user admin from 192.0.2.1 port 4000", "-"),
        ("pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)", "-"),
        ("Server listening on 0.0.0.0 port 22.", "-"),
        ("Accepted", "-"),
        ("Failed ", "-"),
    ] {
        assert_eq!(read(message.as_bytes()), meant, "{message}");
    }
    let login = parse_message(
        b"login",
        b"pam_unix(login:session): session opened for user bob(uid=1000) by LOGIN(uid=0)",
    );
    assert_eq!(login, Some(Message::Console("bob".into())));
}

#[test]
fn the_name_that_was_tried_cannot_choose_the_source() {
    for (message, meant) in [
        (
            "Failed password for invalid user x from 9.9.9.9 port 22 ssh2 from 192.0.2.1 port 5 ssh2",
            "failed Unknown user x from 9.9.9.9 port 22 ssh2 from 192.0.2.1 by password",
        ),
        (
            "Failed publickey for invalid user x from 9.9.9.9 port 22 ssh2: RSA SHA256:abc from 192.0.2.1 port 5 ssh2: RSA SHA256:def",
            "failed Unknown user x from 9.9.9.9 port 22 ssh2: RSA SHA256:abc from 192.0.2.1 by publickey",
        ),
        (
            "Connection closed by invalid user x 9.9.9.9 port 22 [preauth] 192.0.2.1 port 5 [preauth]",
            "ended Unknown user x 9.9.9.9 port 22 [preauth] from 192.0.2.1 by -",
        ),
        (
            "error: maximum authentication attempts exceeded for invalid user x from 9.9.9.9 port 22 ssh2 from 192.0.2.1 port 5 ssh2 [preauth]",
            "ended Unknown user x from 9.9.9.9 port 22 ssh2 from 192.0.2.1 by -",
        ),
        (
            "Disconnecting invalid user x 9.9.9.9 port 2: Too many authentication failures 192.0.2.1 port 5: Too many authentication failures [preauth]",
            "ended Unknown user x 9.9.9.9 port 2: Too many authentication failures from 192.0.2.1 by -",
        ),
        // Here the name of the user and that in the certificate could each hold the other's half.
        (
            "Failed publickey for invalid user x from 9.9.9.9 port 2 ssh2: Z SHA256:a ID y from 192.0.2.1 port 5 ssh2: Z SHA256:a ID y (serial 0) CA Z SHA256:b",
            "failed Unknown user x from 9.9.9.9 port 2 ssh2: Z SHA256:a ID y from 192.0.2.1 port 5 ssh2: Z SHA256:a ID y (serial 0) CA Z SHA256:b from unclear by publickey",
        ),
        // An account's name is not of an attacker's making, a certificate's is.
        (
            "Accepted publickey for alice from 10.8.0.2 port 5 ssh2: RSA-CERT SHA256:abc ID y from 9.9.9.9 port 1 ssh2 (serial 0) CA RSA SHA256:def",
            "accepted alice from 10.8.0.2 by publickey SHA256:abc",
        ),
        (
            "Failed publickey for root from 192.0.2.1 port 5 ssh2: RSA-CERT SHA256:abc ID y from 9.9.9.9 port 1 ssh2: RSA SHA256:abc",
            "failed Known user root from 192.0.2.1 by publickey",
        ),
        ("Invalid user Accepted password for root from 9.9.9.9 port 1 ssh2 from 192.0.2.1 port 5", "-"),
    ] {
        assert_eq!(read(message.as_bytes()), meant, "{message}");
    }
}

#[test]
fn a_name_of_control_characters_and_wrong_bytes_is_shown_harmless() {
    let message =
        b"Failed password for invalid user a#012b\x1b[2J\xff\xe2\x80\xae from 192.0.2.1 port 5 ssh2";
    assert_eq!(read(message), "failed Unknown user a#012b\\x1b[2J\\xff\\u{202e} from 192.0.2.1 by password");
}

#[test]
fn a_name_of_100_kilobytes_is_cut_and_its_source_still_read() {
    let name = "x".repeat(100_000);
    let message = format!("Failed password for invalid user {name} from 192.0.2.1 port 5 ssh2");
    let Some(Message::Failed(attempt)) = parse_message(b"sshd", message.as_bytes()) else {
        panic!("not read")
    };
    assert_eq!(attempt.from, "192.0.2.1");
    assert!(attempt.user.len() < 200 && attempt.user.ends_with("… (99872 bytes more)"));
}

proptest! {
    #[test]
    fn no_name_can_change_the_source(name in "\\PC{0,40}| from 9\\.9\\.9\\.9 port 1 ssh2|(x from )?[0-9. a-z]{0,30}( port 1 ssh2)?( from 9.9.9.9 port [0-9] ssh2)?") {
        for message in [
            format!("Failed password for invalid user {name} from 192.0.2.1 port 5 ssh2"),
            format!("Failed publickey for invalid user {name} from 192.0.2.1 port 5 ssh2: RSA SHA256:abc"),
            format!("Connection closed by invalid user {name} 192.0.2.1 port 5 [preauth]"),
        ] {
            let Some(Message::Failed(attempt) | Message::Ended(attempt)) = parse_message(b"sshd", message.as_bytes())
            else { return Err(TestCaseError::fail(message)) };
            prop_assert!(attempt.from == "192.0.2.1" && attempt.user == Text::cut(name.as_bytes(), 128));
        }
    }

    #[test]
    fn any_message_is_understood_or_not(message: Vec<u8>) {
        let _ = parse_message(b"sshd", &message);
        let _ = parse_message(b"login", &message);
    }

    #[test]
    fn any_message_like_one_is_understood_or_not(
        head in "(Accepted|Failed|Partial|Connection closed by|Disconnecting) (publickey|password|invalid user)?( for| from)?",
        tail in "( from| port| ssh2|: |[0-9.]| x| SHA256:a){0,12}",
    ) {
        let _ = parse_message(b"sshd", format!("{head}{tail}").as_bytes());
    }
}
