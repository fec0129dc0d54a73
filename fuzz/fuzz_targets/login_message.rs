#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for program in [&b"sshd"[..], b"sshd-session"] {
        let _ = host_watchdog::watch::login::sshd::parse_message(program, bytes);
    }
});
