#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // The script and the masks are found in what was parsed.
    let args = host_watchdog::processes::parse::parse_cmdline(bytes);
    assert_eq!(host_watchdog::processes::secret::masked(&args).len(), args.len());
    let exe = args.first().copied().unwrap_or_default();
    let nothing = || None;
    let invocation = host_watchdog::processes::script::Invocation {
        folder: &|| host_watchdog::processes::script::Folder::Unseen,
        input: &nothing,
        without_dots: &|_| None,
    };
    let _ = host_watchdog::processes::script::find(exe, &args, &invocation);
});
