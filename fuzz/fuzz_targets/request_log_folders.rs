#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folders = host_watchdog::watch::request::parse_log_folders(bytes);
    let _ = host_watchdog::watch::request::log_folders(&folders, "C:", "C:\\Windows");
});
