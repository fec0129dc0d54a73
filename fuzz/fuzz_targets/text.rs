#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = host_watchdog::text::Text::new(bytes);
    assert_eq!(text.to_bytes(), bytes);
    assert_eq!(host_watchdog::text::clean(&text), text.as_str());
});
