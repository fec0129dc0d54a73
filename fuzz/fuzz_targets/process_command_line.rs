#![no_main]

use host_watchdog::processes::{script, secret};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let args = host_watchdog::processes::nt::parse_command_line(bytes);
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    // The script and the masks are found in what was parsed.
    assert_eq!(secret::masked(&args).len(), args.len());
    let nothing = || None;
    let invocation =
        script::Invocation { folder: &|| script::Folder::Unseen, input: &nothing, without_dots: &|_| None };
    for exe in ["powershell", "pwsh", "cmd", "wscript", "mshta", "rundll32", "regsvr32", "msbuild", "python"]
    {
        let _ = script::find_on_windows(format!(r"C:\{exe}.exe").as_bytes(), bytes, &invocation);
    }
});
