#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = host_watchdog::doctor::mail::parse_aliases(data, "root");
});
