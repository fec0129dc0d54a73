#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::login::stamp::parse_line(bytes);
});
