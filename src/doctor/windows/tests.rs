use super::*;
use expect_test::expect;

fn lines(checks: &[Check]) -> String {
    let mut lines = String::new();
    for check in checks {
        lines += &format!("{} {}: {}\n", check.verdict.as_str(), check.check, check.says);
        check.remedy.iter().for_each(|line| lines += &format!("    {line}\n"));
    }
    lines
}

#[test]
fn a_windows_that_lacks_nothing_gets_no_remedy() {
    let runs = Ok(Some((Start::Automatic, true)));
    expect![[r#"
        ok installed: the service host-watchdog runs and starts with Windows
        ok rights: this program runs with the rights of an administrator
        ok event-log: the Security log can be read, it holds 1200 records
        ok event-log: the System log can be read, it holds 0 records
        ok logon-audit: logins that succeed and logins that fail are logged
        ok clock: the clock is synchronised
        ok updates: Windows Update can be asked
    "#]]
    .assert_eq(&lines(&[
        installed(&runs),
        rights(true),
        event_log("Security", Ok(1200)),
        event_log("System", Ok(0)),
        logon_audit(Ok((true, true))),
        clock(&runs, Sync::Yes),
        updates(&Ok(Some((Start::Manual, false)))),
    ]));
}

#[test]
fn an_ill_windows_gets_a_remedy_for_each_thing() {
    let denied = || Err("Access is denied. (os error 5)".to_owned());
    expect![[r#"
        fault installed: there is no service host-watchdog: nobody watches unless somebody runs watchdog
            install it: msiexec /i host-watchdog.msi
        fault installed: the service host-watchdog is disabled
            Set-Service host-watchdog -StartupType Automatic; Start-Service host-watchdog
        warning installed: the service host-watchdog does not start with Windows: after a restart nobody watches
            sc.exe config host-watchdog start= delayed-auto
        fault installed: the service host-watchdog is installed and does not run
            Start-Service host-watchdog
        unknown installed: Windows does not tell of the service host-watchdog: Access is denied. (os error 5)
        warning rights: this program has no rights of an administrator: what it cannot see the service may well see
            open a PowerShell with "Run as administrator", then: watchdog doctor
        warning event-log: the Security log is empty: logins are not recorded, or it was cleared
            see what is recorded: auditpol /get /category:"{69979849-797A-11D9-BED3-505054503030}"
        warning event-log: the Security log cannot be read by this program: Access is denied. (os error 5)
            run this as an administrator, or add the account to the group Event Log Readers
        fault logon-audit: logins are not logged by this Windows, so the watch of logins cannot see them
            auditpol /set /subcategory:"{0CCE9215-69AE-11D9-BED3-505054503030}" /success:enable /failure:enable
            if a Group Policy puts it back: Advanced Audit Policy Configuration, Logon/Logoff, Audit Logon
        fault logon-audit: logins that fail are not logged by this Windows, so the watch of logins cannot see them
            auditpol /set /subcategory:"{0CCE9215-69AE-11D9-BED3-505054503030}" /success:enable /failure:enable
            if a Group Policy puts it back: Advanced Audit Policy Configuration, Logon/Logoff, Audit Logon
        fault logon-audit: logins that succeed are not logged by this Windows, so the watch of logins cannot see them
            auditpol /set /subcategory:"{0CCE9215-69AE-11D9-BED3-505054503030}" /success:enable /failure:enable
            if a Group Policy puts it back: Advanced Audit Policy Configuration, Logon/Logoff, Audit Logon
        unknown logon-audit: whether logins are logged cannot be told: Access is denied. (os error 5)
            run this as an administrator
        warning clock: the time service does not run: hours of logins, ages of updates and times in mails may be wrong
            Set-Service w32time -StartupType Automatic; Start-Service w32time; w32tm /resync
        warning clock: the time service runs and follows nobody: hours of logins, ages of updates and times in mails may be wrong
            w32tm /config /manualpeerlist:time.windows.com /syncfromflags:manual /update; w32tm /resync
        unknown clock: the time service runs, and does not say whether the clock is right
            w32tm /query /status
        unknown clock: Windows does not tell of the time service: Access is denied. (os error 5)
        warning updates: the service of Windows Update is disabled: no update is seen, and none installed
            Set-Service wuauserv -StartupType Manual
        note updates: this Windows has no Windows Update: no updates are watched
        unknown updates: Windows does not tell of Windows Update: Access is denied. (os error 5)
    "#]].assert_eq(&lines(&[
        installed(&Ok(None)),
        installed(&Ok(Some((Start::Disabled, false)))),
        installed(&Ok(Some((Start::Manual, true)))),
        installed(&Ok(Some((Start::Automatic, false)))),
        installed(&denied()),
        rights(false),
        event_log("Security", Ok(0)),
        event_log("Security", Err("Access is denied. (os error 5)".to_owned())),
        logon_audit(Ok((false, false))),
        logon_audit(Ok((true, false))),
        logon_audit(Ok((false, true))),
        logon_audit(Err("Access is denied. (os error 5)".to_owned())),
        clock(&Ok(Some((Start::Manual, false))), Sync::NobodyKnows),
        clock(&Ok(Some((Start::Automatic, true))), Sync::No),
        clock(&Ok(Some((Start::Automatic, true))), Sync::NobodyKnows),
        clock(&denied(), Sync::NobodyKnows),
        updates(&Ok(Some((Start::Disabled, false)))),
        updates(&Ok(None)),
        updates(&denied()),
    ]));
}

#[test]
fn the_time_service_is_understood_in_every_language() {
    for (status, sync) in [
        (&b"Leap Indicator: 0(no warning)\r\nStratum: 4 (secondary reference)\r\n"[..], Sync::Yes),
        (b"\r\nSprungindikator: 3(nicht synchronisiert)\r\nStratum: 0\r\n", Sync::No),
        (b"Indicateur de d\x82calage : 0(aucun avertissement)\r\n", Sync::Yes),
        (
            b"The following error occurred: The service has not been started. (0x80070426)\r\n",
            Sync::NobodyKnows,
        ),
        (b"", Sync::NobodyKnows),
        (b"\xff:", Sync::NobodyKnows),
    ] {
        assert_eq!(parse_status(status), sync, "{}", String::from_utf8_lossy(status));
    }
}
