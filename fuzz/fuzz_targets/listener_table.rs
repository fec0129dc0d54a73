#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use host_watchdog::watch::listener::Protocol;
    use host_watchdog::watch::listener::linux::Wanted;
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let _ =
            host_watchdog::watch::listener::linux::proc_net::parse_table(bytes, protocol, Wanted::Listening);
        let _ =
            host_watchdog::watch::listener::linux::proc_net::parse_table(bytes, protocol, Wanted::Connected);
    }
});
