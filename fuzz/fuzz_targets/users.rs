#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::host::Users::parse(bytes).name(0);
});
