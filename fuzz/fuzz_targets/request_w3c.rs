#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    if let Some(layout) = lines.next().and_then(host_watchdog::watch::request::parse_fields)
        && let Some(line) = lines.next()
    {
        let _ = host_watchdog::watch::request::parse_record(line, &layout);
    }
});
