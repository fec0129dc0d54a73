#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(cron) = host_watchdog::schedule::parse_cron(text) {
        let now = jiff::Timestamp::from_second(1_800_000_000).unwrap_or_default();
        let next = cron.next_after(now, &jiff::tz::TimeZone::UTC);
        assert!(next.is_none_or(|next| next > now));
    }
});
