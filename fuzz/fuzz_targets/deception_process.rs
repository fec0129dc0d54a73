#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::deception::linux::environment::parse_libraries(bytes).count();
    let _ = host_watchdog::watch::deception::linux::hidden::parse_covered(bytes);
});
