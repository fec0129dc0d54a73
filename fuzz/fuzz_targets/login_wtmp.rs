#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let _ = host_watchdog::watch::login::records::parse_wtmp(bytes, now);
});
