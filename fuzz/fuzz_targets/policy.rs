#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = host_watchdog::policy::parse_policy("policy.toml", text) {
        // What is wrong with it is shown on a terminal.
        assert!(error.to_string().lines().all(|line| host_watchdog::text::clean(line) == line));
    }
});
