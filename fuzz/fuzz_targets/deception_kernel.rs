#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = host_watchdog::watch::deception::linux::bpf::parse_descriptor(bytes);
    let _ = host_watchdog::watch::deception::linux::module::parse_modules(bytes);
});
