#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::listener::linux::proc_net::parse_ephemeral(bytes);
});
