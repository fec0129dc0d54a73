#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use host_watchdog::watch::login::stamp::Clock;
    let now = jiff::Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let clock = Clock { zone: jiff::tz::TimeZone::UTC, now };
    let _ = host_watchdog::watch::login::stamp::parse_stamp(bytes, &clock);
});
