#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = host_watchdog::telemetry::http::parse_request(data);
});
