//! Rules as they are written, and what is said of a wrong one.

use super::*;
use crate::rule::to_toml;

fn wrong(value: &str, message: &Expect) {
    let text = format!("schema = 1\n[[listener]]\nprotocol = \"tcp\"\n{value}\n");
    message.assert_eq(&Policy::from_text("policy.toml", &text).unwrap_err().to_string());
}

#[test]
fn a_wrong_value_gets_a_message_with_a_caret() {
    wrong(
        "bind = \"any\"\nport = 70000",
        &expect![[r"
            policy.toml:5:8: 70000 is not a port: ports go from 1 to 65535
              |
            5 | port = 70000
              |        ^^^^^"]],
    );
    wrong(
        "bind = \"any\"\nport = \"http\"",
        &expect![[r#"
            policy.toml:5:8: "http" is not a port: write a number, "8000-8010" or "ephemeral"
              |
            5 | port = "http"
              |        ^^^^^^"#]],
    );
    wrong(
        "port = \"9-8\"\nbind = \"any\"",
        &expect![[r#"
            policy.toml:4:8: "9-8" ends before it begins: write "8-9"
              |
            4 | port = "9-8"
              |        ^^^^^"#]],
    );
    wrong(
        "port = [1]\nbind = \"any\"",
        &expect![[r#"
            policy.toml:4:8: invalid type: sequence, expected a port: a number, "8000-8010" or "ephemeral"
              |
            4 | port = [1]
              |        ^^^"#]],
    );
    wrong(
        "port = 1\nbind = \"0.0.0.0\"",
        &expect![[r#"
            policy.toml:5:8: "0.0.0.0" stands for every address: write "any"
              |
            5 | bind = "0.0.0.0"
              |        ^^^^^^^^^"#]],
    );
    wrong(
        "port = 1\nbind = \"10.0.0.1/8\"",
        &expect![[r#"
            policy.toml:5:8: "10.0.0.1/8" is an address and a net: write 10.0.0.1 or 10.0.0.0/8
              |
            5 | bind = "10.0.0.1/8"
              |        ^^^^^^^^^^^^"#]],
    );
    wrong(
        "port = 1\nbind = \"eth0\"",
        &expect![[r#"
            policy.toml:5:8: "eth0" is not an address: write "any", "loopback", an address or a net like "10.0.0.0/8"
              |
            5 | bind = "eth0"
              |        ^^^^^^"#]],
    );
    let text = "schema = 1\n[[listener]]\nprotocol = \"tpc\"\n";
    expect![[r#"
        policy.toml:3:12: "tpc" is not a protocol: write "tcp", "udp", "udplite" or "sctp"
          |
        3 | protocol = "tpc"
          |            ^^^^^"#]]
    .assert_eq(&Policy::from_text("policy.toml", text).unwrap_err().to_string());
}

#[test]
fn ports_and_addresses_are_written_as_they_are_read() {
    for port in ["443", "\"8000-8010\"", "\"ephemeral\""] {
        let rules = rules(&NGINX.replace("443", port));
        let written = to_toml("[[listener]]", &rules.listener[0].rule);
        assert!(written.contains(&format!("port     = {port}\n")), "{written}");
    }
    for bind in ["any", "loopback", "10.0.0.0/8", "192.168.1.1", "::1", "fe80::/10"] {
        assert_eq!(Bind::try_from(bind.to_owned()).map(|bind| bind.to_string()), Ok(bind.to_owned()));
    }
}
