#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::resource::linux::disk::parse_mountinfo(bytes);
});
