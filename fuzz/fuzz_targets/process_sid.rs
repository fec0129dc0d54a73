#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((sid, _)) = host_watchdog::processes::nt::parse_sid(bytes) {
        let _ = host_watchdog::processes::nt::well_known(&sid);
    }
});
