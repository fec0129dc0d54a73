#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::deception::linux::connection::parse_connections(bytes).count();
    let _ = host_watchdog::watch::deception::linux::connection::parse_associations(bytes).count();
    let _ = host_watchdog::watch::deception::linux::sniffer::parse_packet(bytes);
    let _ = host_watchdog::watch::deception::linux::sniffer::parse_raw(bytes);
    let _ = host_watchdog::watch::deception::linux::diag::parse_memberships(bytes);
    let _ = host_watchdog::watch::deception::linux::diag::parse_listens(bytes, 1, 80);
});
