//! What the numbers in events of Windows mean, in words.

/// How somebody came in, by the type of the logon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logon {
    /// At the machine itself, or on a desktop over the network: the word for it.
    Desktop(&'static str),
    /// Over the network, without a desktop.
    Network(&'static str),
    /// With other credentials than those one came with.
    RunAs,
    /// No person: why it is left out.
    LeftOut(&'static str),
}

/// The type of a logon, as documented for event 4624.
#[must_use]
pub fn logon(number: &str) -> Logon {
    match number.trim() {
        "0" => Logon::LeftOut("system"),
        "2" | "11" => Logon::Desktop("console"),
        "3" => Logon::Network("network"),
        "4" => Logon::LeftOut("batch"),
        "5" => Logon::LeftOut("service"),
        "7" | "13" => Logon::Desktop("unlock"),
        "8" => Logon::Network("network-cleartext"),
        "9" => Logon::RunAs,
        "10" | "12" => Logon::Desktop("rdp"),
        // What no version of Windows has is not dropped: it can only be a new way to come in.
        _ => Logon::Network("unknown"),
    }
}

/// Whose logon it is, if it is no person's.
#[must_use]
pub fn left_out(sid: &str) -> Option<&'static str> {
    let service = |rest: &str| {
        // The range that Windows keeps for virtual accounts: services, application pools, virtual machines, sshd.
        rest.split('-')
            .next()
            .and_then(|first| first.parse().ok())
            .is_some_and(|n: u32| (80..=111).contains(&n))
    };
    match sid.trim() {
        "S-1-5-18" | "S-1-5-19" | "S-1-5-20" => Some("system"),
        "S-1-5-7" => Some("anonymous"),
        sid if sid.starts_with("S-1-5-90-0-") || sid.starts_with("S-1-5-96-0-") => Some("window-manager"),
        sid if sid.strip_prefix("S-1-5-").is_some_and(service) => Some("service"),
        _ => None,
    }
}

/// Why a logon failed, and whether such an account may log in at all.
#[must_use]
pub fn failure(status: &str, sub_status: &str) -> (Option<&'static str>, bool) {
    let number = |text: &str| {
        let text = text.trim();
        text.strip_prefix("0x").or(text.strip_prefix("0X")).and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    // The second says more, if it says anything.
    let code = number(sub_status).filter(|code| *code != 0).or(number(status)).filter(|code| *code != 0);
    let Some(code) = code else { return (None, false) };
    match code {
        0xC000_0064 => (Some("no-such-account"), true),
        0xC000_006A | 0xC000_006D => (Some("wrong-password"), false),
        0xC000_006E => (Some("account-restricted"), true),
        0xC000_006F => (Some("outside-account-hours"), false),
        0xC000_0070 => (Some("not-from-this-workstation"), false),
        0xC000_0071 => (Some("password-expired"), false),
        0xC000_0072 => (Some("account-disabled"), true),
        0xC000_005E => (Some("no-logon-servers"), false),
        0xC000_00DC => (Some("server-in-wrong-state"), false),
        0xC000_0133 => (Some("clocks-differ"), false),
        0xC000_015B => (Some("logon-type-not-granted"), true),
        0xC000_018C | 0xC000_0192 => (Some("trust-failed"), false),
        0xC000_0193 => (Some("account-expired"), true),
        0xC000_0224 => (Some("password-must-change"), false),
        0xC000_0234 => (Some("locked-out"), false),
        0xC000_0413 => (Some("not-allowed-to-authenticate-here"), true),
        _ => (Some("other"), false),
    }
}
