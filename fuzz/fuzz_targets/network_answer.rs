#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::network::linux::rtnetlink::parse_answer(bytes, 1);
});
