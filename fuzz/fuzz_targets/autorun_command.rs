#![no_main]

use host_watchdog::watch::autorun::command::Folders;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let command = Folders::of(r"C:\Windows").command(text, &|path| path.len() % 2 == 0);
    let _ = (command.exe(), command.arguments());
});
