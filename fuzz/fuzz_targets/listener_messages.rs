#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use host_watchdog::watch::listener::Protocol;
    let _ = host_watchdog::watch::listener::linux::sock_diag::parse_messages(bytes, 1, Protocol::Tcp);
});
