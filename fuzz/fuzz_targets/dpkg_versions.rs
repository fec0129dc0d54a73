#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // An order: whatever stands on the other side says the opposite.
    let (left, right) = bytes.split_at(bytes.len() / 2);
    let order = host_watchdog::dpkg::compare_versions(left, right);
    assert_eq!(order, host_watchdog::dpkg::compare_versions(right, left).reverse());
});
