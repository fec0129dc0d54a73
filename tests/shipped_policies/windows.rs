//! Programs of Windows: signed by their maker, and told from imitations.

use super::*;

/// What a policy of Windows allows is a program of Windows, where only Windows itself writes, and nothing that runs what it is
/// given.
#[test]
fn a_program_of_windows_is_signed_by_its_maker_and_runs_nothing_it_is_given() {
    let folders = [
        r"C:\Windows\",
        r"C:\Program Files\Windows Defender\",
        r"C:\ProgramData\Microsoft\Windows Defender\Platform\*\",
    ];
    let hosts = [
        "cmd",
        "powershell",
        "powershell_ise",
        "pwsh",
        "wscript",
        "cscript",
        "mshta",
        "rundll32",
        "regsvr32",
        "installutil",
        "msbuild",
        "bitsadmin",
        "certutil",
        "schtasks",
        "sc",
        "net",
        "net1",
        "wmic",
        "forfiles",
        "ftp",
        "ssh",
        "mmc",
    ];
    let windows = policies().into_iter().filter(|(name, _)| WINDOWS.contains(name));
    for placed in windows.flat_map(|(_, policy)| policy.process.process) {
        let (rule, origin) = (&placed.rule, &placed.origin);
        let exe = rule.exe.as_str();
        assert!(folders.iter().any(|folder| exe.starts_with(folder)), "{origin}: {exe}");
        assert!(SIGNERS.contains(&rule.package.as_deref().unwrap()), "{origin}");
        let name = exe.rsplit('\\').next().unwrap().to_ascii_lowercase();
        let stem = name.strip_suffix(".exe").unwrap_or_else(|| panic!("{origin}: {exe}"));
        assert!(!hosts.contains(&stem) && !stem.contains('*'), "{origin}: {exe}");
        // A folder may have a version in its name; what it lies in may not be anybody's.
        assert!(
            !exe.contains(r"\Temp\") && !exe.contains(r"\Users\") && rule.script.is_none(),
            "{origin}: {exe}"
        );
        if stem == "svchost" {
            assert!(rule.unit.is_some(), "{origin}: one without a service is no service host");
        }
    }
}

/// What is allowed is what the rule says: the same program elsewhere, of another signer, changed, or without its service is not.
#[test]
fn a_windows_that_runs_what_it_brings_has_nothing_to_report_and_an_imitation_has() {
    let policy =
        Policy::from_text("policy.toml", "schema = 1\ninclude = [\"windows-server\", \"iis\", \"rdp\"]")
            .unwrap();
    let system = r"NT AUTHORITY\SYSTEM";
    let found = |exe: &str, signer: &str, state: &str, user: &str, unit: Option<&str>| {
        let process = serde_json::json!({ "pid": 9, "start": 1, "since": "2026-03-01T10:00:00Z", "parent": 1,
            "exe": { "path": exe }, "name": "x", "uid": 18, "user": user, "unit": unit });
        let packages = serde_json::json!({ exe: { "name": signer, "state": state } });
        let facts = serde_json::json!({ "processes": [process], "packages": packages, "sees-all": true });
        let facts: process::ProcessFacts = serde_json::from_value(facts).unwrap();
        process::without_allowed(&facts, &policy.process, "2026-03-01T12:00:00Z".parse().unwrap())
            .processes
            .len()
    };
    let own = "Microsoft Windows";
    for (exe, signer, user, unit) in [
        (r"C:\Windows\System32\svchost.exe", "Microsoft Windows Publisher", system, Some("Schedule")),
        (r"C:\Windows\System32\svchost.exe", own, r"NT AUTHORITY\LOCAL SERVICE", Some("BFE+mpssvc")),
        (r"C:\Windows\System32\svchost.exe", own, r"WEB1\alice", Some("CDPUserSvc_3f2a1")),
        (r"C:\Windows\System32\dwm.exe", own, r"Window Manager\DWM-2", None),
        (r"C:\Windows\System32\inetsrv\w3wp.exe", own, r"IIS APPPOOL\DefaultAppPool", None),
        (
            r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.25010.11-0\MsMpEng.exe",
            "Microsoft Windows Publisher",
            system,
            Some("WinDefend"),
        ),
    ] {
        assert_eq!(found(exe, signer, "unmodified", user, unit), 0, "{exe}");
        assert_eq!(found(exe, signer, "modified", user, unit), 1, "{exe}");
        assert_eq!(found(exe, "Evil Corp", "unmodified", user, unit), 1, "{exe}");
        let elsewhere = exe.replacen(r"C:\", r"C:\Users\Public\", 1);
        assert_eq!(found(&elsewhere, signer, "unmodified", user, unit), 1, "{elsewhere}");
    }
    for (exe, user, unit) in [
        (r"C:\Windows\System32\svchost.exe", system, None),
        (r"C:\Windows\System32\svchost.exe", r"WEB1\alice", Some("Schedule")),
        (r"C:\Windows\System32\lsass.exe", r"WEB1\alice", None),
        (r"C:\Windows\System32\cmd.exe", system, None),
        (r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe", r"IIS APPPOOL\DefaultAppPool", None),
    ] {
        assert_eq!(found(exe, own, "unmodified", user, unit), 1, "{exe}");
    }
}
