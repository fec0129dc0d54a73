#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::dpkg::parse_status(bytes);
    let _ = host_watchdog::dpkg::conffile_digest(bytes, b"nginx-common", b"/etc/nginx/nginx.conf");
});
