#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(event) = host_watchdog::watch::login::event::parse_event(bytes) {
        let _ = host_watchdog::watch::login::event::tell::tell(&event);
    }
});
