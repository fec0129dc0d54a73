#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = host_watchdog::settings::parse_settings("watchdog.toml", text) {
        assert!(error.to_string().lines().all(|line| host_watchdog::text::clean(line) == line));
    }
});
