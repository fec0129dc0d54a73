#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use host_watchdog::processes::{nt, script, secret};
    let args = nt::parse_command_line(bytes);
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    assert_eq!(secret::masked(&args).len(), args.len());
    let nothing = || None;
    let invocation = script::Invocation { folder: &nothing, input: &nothing };
    for exe in ["powershell", "pwsh", "cmd", "wscript", "mshta", "rundll32", "regsvr32", "msbuild", "python"]
    {
        let _ = script::find_on_windows(format!(r"C:\{exe}.exe").as_bytes(), bytes, &invocation);
    }
});
