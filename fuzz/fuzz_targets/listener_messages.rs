#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use host_watchdog::watch::listener::Protocol;
    use host_watchdog::watch::listener::linux::Wanted;
    for wanted in [Wanted::Listening, Wanted::Connected] {
        let _ =
            host_watchdog::watch::listener::linux::sock_diag::parse_messages(bytes, 1, Protocol::Tcp, wanted);
    }
});
