//! Command lines, and what they run.

use super::*;
use proptest::prelude::*;

fn script(line: &str, input: &str) -> Option<String> {
    let args: Vec<&[u8]> = line.split('|').map(str::as_bytes).collect();
    let folder = || Folder::At(b"/home/alice".to_vec());
    let input = || Some(input.as_bytes().to_vec());
    // A host without links.
    let without_dots = |path: &[u8]| {
        let mut parts: Vec<&str> = Vec::new();
        for part in std::str::from_utf8(path).unwrap().split('/') {
            if part == ".." {
                parts.pop();
            } else {
                parts.push(part);
            }
        }
        (!path.starts_with(b"/links")).then(|| parts.join("/").into_bytes())
    };
    find(args[0], &args, &Invocation { folder: &folder, input: &input, without_dots: &without_dots })
        .map(|text| text.to_string())
}

#[test]
fn an_interpreter_is_named_with_its_script() {
    for (line, expected) in [
        ("/usr/sbin/nginx|-g|daemon off;", None),
        ("/usr/bin/bash", None),
        ("/usr/bin/bash|-l", None),
        ("/usr/bin/dash|/etc/cron.daily/apt", Some("/etc/cron.daily/apt")),
        ("/usr/bin/dash|-c|run-parts  /etc/cron.hourly\n", Some("-c run-parts /etc/cron.hourly")),
        ("/usr/bin/bash|-euo|pipefail|./x.sh|-c|y", Some("/home/alice/x.sh")),
        ("/usr/bin/bash|-lc|id", Some("-c id")),
        ("/usr/bin/bash|-c|-e|id", Some("-c id")),
        ("/usr/bin/dash|-c|--|-x id", Some("-c -x id")),
        ("/usr/bin/bash|-|/tmp/evil.sh", Some("/tmp/evil.sh")),
        ("/usr/bin/dash|-e|-|evil.sh|x", Some("/home/alice/evil.sh")),
        ("/usr/bin/bash|-", None),
        ("/usr/bin/python3.11|-W|ignore|-u|../bob/a.py|-c", Some("/home/bob/a.py")),
        ("/usr/bin/python3|-m|http.server|8000", Some("-m http.server")),
        ("/usr/bin/python3|-Ic|import os", Some("-c import os")),
        ("/usr/bin/python3|-cimport os", Some("-c import os")),
        ("/usr/bin/perl|-wne|print", Some("-e print")),
        ("/usr/bin/python3|-s|/x.py", Some("/x.py")),
        ("/usr/bin/python3|-mevil|/ok.py", Some("-m evil")),
        ("/usr/bin/python3|-uX|dev|-Xutf8=1|-I|-E|/x.py|-i", Some("/x.py")),
        ("/usr/bin/python3|-Wignore::DeprecationWarning:a.b|/x.py", Some("/x.py")),
        ("/usr/bin/python3|-i|/x.py", Some("/x.py")),
        ("/usr/bin/lua5.4|-i|/x.lua", Some("/x.lua")),
        ("/usr/bin/fish|-lc|id", Some("-c id")),
        ("/usr/bin/perl|-wT|/usr/bin/x.pl", Some("/usr/bin/x.pl")),
        ("/usr/bin/java|-Xmx1g|-Dx=y|-jar|/srv/app.jar", Some("/srv/app.jar")),
        (
            "/usr/bin/java|-cp|/srv/a.jar:lib/*|-Xmx1g|org.example.Main|x",
            Some("-cp /srv/a.jar:/home/alice/lib/* org.example.Main"),
        ),
        ("/usr/bin/java|-cp|/evil.jar|Main", Some("-cp /evil.jar Main")),
        ("/usr/bin/java|--class-path=.|Main", Some("-cp /home/alice Main")),
        (
            "/usr/bin/java|-p|/srv/m|--add-opens|a/b=c|-m|app/org.example.Main",
            Some("-p /srv/m -m app/org.example.Main"),
        ),
        ("/usr/bin/java|-cp|/x|-jar|app.jar", Some("/home/alice/app.jar")),
        ("/usr/bin/java|Hello.java", Some("/home/alice/Hello.java")),
        ("/usr/bin/java|-jar|/dev/fd/3", Some("(standard input)")),
        ("/usr/bin/java|-version", None),
        ("/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2|/tmp/evil", Some("/tmp/evil")),
        ("/usr/bin/gawk|-F:|-f|/x.awk|f|-l", Some("-f /x.awk")),
        ("/usr/bin/php|-f|/x.php|--|-d", Some("/x.php")),
        ("/usr/bin/perl|-e|print|x|-e", Some("-e print")),
        ("/usr/bin/bash|//dev/./fd/63", Some("(standard input)")),
        ("/usr/bin/mawk|{print}|f", Some("{print}")),
        ("/usr/bin/gawk|/@example/{load++}|f", Some("/@example/{load++}")),
        ("/usr/bin/swipl|/x.pl", Some("/x.pl")),
        ("/usr/lib/R/bin/exec/R", None),
        ("/usr/bin/php|-q|/x.php", Some("/x.php")),
        ("/bin/busybox|httpd|-f", Some("httpd")),
        ("/bin/busybox", None),
        ("/usr/bin/pythonista|x.py", None),
        ("/usr/bin/perl5.36-x86_64-linux-gnu|-e|print", Some("-e print")),
        ("/usr/bin/luajit-2.1.0-beta3|-e|x()", Some("-e x()")),
        ("/usr/bin/bash-static|-c|id", Some("-c id")),
        ("/usr/bin/zsh-static|/x.zsh", Some("/x.zsh")),
        ("/usr/bin/python3.11-dbg|/x.py", Some("/x.py")),
        ("/usr/sbin/php-fpm8.2|--nodaemonize|--fpm-config|/etc/php.conf", None),
        ("/usr/bin/bash (deleted)|--|/x", Some("/x")),
        ("/usr/bin/bash|/dev/fd/3", Some("(standard input)")),
        ("/usr/bin/bash|/proc/self/fd/3", Some("(standard input)")),
    ] {
        assert_eq!(script(line, "/dev/pts/0").as_deref(), expected, "{line}");
    }
}

/// Each is one way to run another script behind the name of an allowed one.
#[test]
fn a_command_line_that_is_not_understood_is_known_by_all_of_its_arguments() {
    for line in [
        "/usr/bin/perl|-I|/ok.pl|/evil.pl",
        "/usr/bin/perl|-Mevil|/ok.pl",
        "/usr/bin/perl|-S|prove",
        "/usr/bin/ruby|-wS|rake",
        "/usr/bin/python3|-X|pycache_prefix=/tmp/evil|/ok.py",
        "/usr/bin/python3|-uX|/ok.py|/evil.py",
        "/usr/bin/python3|-Xpresite=evil|/ok.py",
        "/usr/bin/python3|-W|ignore::evil.Warning|/ok.py",
        "/usr/bin/fish|-C|/ok.fish|/evil.fish",
        "/usr/bin/node|--disable-warning|/ok.js|/evil.js",
        "/usr/bin/node|--no-warnings-but|/evil.js|/ok.js",
        "/usr/bin/node|-r|evil.js|/ok.js",
        "/usr/bin/node|--require=evil.js|/ok.js",
        "/usr/bin/bash|-rcfile|sleep 300; true|/evil.sh",
        "/usr/bin/bash|--rcfile|/evil.sh|-i",
        "/usr/bin/bash|-c|+e|evil",
        "/usr/bin/java|-javaagent:/evil.jar|-jar|/ok.jar",
        "/usr/bin/java|-cp|/ok.jar|-Djava.ext.dirs=/evil|Main",
        "/usr/bin/java|-XX:OnError=/evil|-jar|/ok.jar",
        "/usr/bin/java|-XX:SharedArchiveFile=/evil|-jar|/ok.jar",
        "/usr/bin/java|-Dsun.boot.library.path=/evil|-jar|/ok.jar",
        "/usr/bin/java|-cp|/ok.jar|-Djava.system.class.loader=Evil|Main",
        "/usr/bin/java|-Xbootclasspath/a:/evil.jar|-jar|/ok.jar",
        "/usr/bin/java|@/tmp/evil|-jar|/ok.jar",
        "/usr/bin/java|-jar",
        "/usr/bin/java|-cp",
        "/usr/bin/gawk|-f|/ok.awk|-f|/evil.awk",
        "/usr/bin/gawk|-f|/ok.awk|-f/evil.awk",
        "/usr/bin/gawk|-f|/ok.awk|-l|/evil.so",
        "/usr/bin/php|-f|/ok.php|-d|auto_prepend_file=/evil.php",
        "/usr/bin/php|-r|ok();|-d|auto_prepend_file=/evil.php",
        "/usr/bin/perl|-e|ok|-e|evil",
        "/usr/bin/perl|-eok|-Mevil",
        "/usr/bin/ruby|-e|ok|-r/evil",
        "/usr/bin/node|-e|ok|-r|/evil.js",
        "/usr/bin/lua5.4|-e|ok|/evil.lua",
        "/usr/bin/lua5.4|-e|ok|--|/evil.lua",
        "/usr/bin/lua5.4|-e|ok|-",
        "/usr/bin/fish|-c|ok|-c|evil",
        "/usr/bin/gawk|@load \"filefuncs\"; {print}",
        "/usr/bin/gawk|{print}\n@ \\\n include \"/evil.awk\"",
        "/usr/bin/gawk|BEGIN { \"/inet/tcp/0/192.0.2.1/443\" |& getline c }",
        "/usr/bin/octave-cli|--eval|system('id')",
        "/usr/bin/php|-d|auto_prepend_file=/evil|/ok.php",
        "/usr/bin/ruby|-r|/evil|/ok.rb",
        "/usr/lib64/ld-linux-x86-64.so.2|--preload|/evil|/ok",
        "/bin/busybox|sh|/evil.sh",
        "/usr/bin/tclsh8.6|--|/ok.tcl",
        "/usr/bin/bash|/links/../usr/bin/ldd",
        "/usr/bin/java|-jar|/links/../ok.jar",
        "/usr/bin/java|-cp|/ok.jar:/links/../ok.jar|Main",
        "/usr/bin/tcsh|-|/evil.csh",
    ] {
        let found = script(line, "/dev/null").unwrap_or_default();
        assert!(found.starts_with("(unclear) "), "{line}: {found}");
        assert_ne!(found, script(&format!("{line}2"), "/dev/null").unwrap_or_default(), "{line}");
    }
}

#[test]
fn a_script_of_a_folder_that_lies_nowhere_or_of_too_many_ways_up_is_unclear() {
    let nothing = || None;
    let name = |line: &str, folder: fn() -> Folder| {
        let args: Vec<&[u8]> = line.split('|').map(str::as_bytes).collect();
        let invocation = Invocation {
            folder: &folder,
            input: &nothing,
            without_dots: &|_| Some(b"/usr/share/x".to_vec()),
        };
        find(args[0], &args, &invocation).unwrap().to_string()
    };
    for line in ["/usr/bin/python3|ldd", "/usr/bin/java|-cp|lib|Main", "/usr/bin/java|-jar|x.jar"] {
        assert!(!name(line, || Folder::At(b"/usr/bin".to_vec())).starts_with(UNCLEAR), "{line}");
        assert!(name(line, || Folder::Lost).starts_with(UNCLEAR), "{line}");
    }
    let places = |count: usize| format!("/usr/bin/java|-cp|{}|Main", "/usr/share/../share/x:".repeat(count));
    assert!(!name(&places(256), || Folder::Unseen).starts_with(UNCLEAR));
    assert!(name(&places(257), || Folder::Unseen).starts_with(UNCLEAR));
    let lists = |count: usize| format!("/usr/bin/java|{}Main", "-cp|/x|".repeat(count));
    assert!(!name(&lists(8), || Folder::Unseen).starts_with(UNCLEAR));
    assert!(name(&lists(9), || Folder::Unseen).starts_with(UNCLEAR));
}

#[test]
fn an_interpreter_that_shows_no_arguments_is_not_taken_for_one_at_a_terminal() {
    let typed = || Some(b"/dev/pts/0".to_vec());
    let invocation = Invocation { folder: &|| Folder::Unseen, input: &typed, without_dots: &|_| None };
    for exe in ["/usr/bin/python3.11", "/usr/bin/bash", "/bin/busybox", "/lib64/ld-linux-x86-64.so.2"] {
        assert_eq!(find(exe.as_bytes(), &[], &invocation).unwrap(), NO_ARGUMENTS, "{exe}");
    }
    assert_eq!(find(b"/usr/sbin/nginx", &[], &invocation), None);
}

#[test]
fn what_is_masked_in_program_text_is_still_part_of_its_identity() {
    let text = |secret: &str| script(&format!("/bin/sh|-c|token={secret}"), "").unwrap();
    assert_ne!(text("a"), text("$(evil)"));
    assert!(!text("hunter2").contains("hunter2"));
}

#[test]
fn busybox_called_by_a_link_is_what_the_link_is_called() {
    let nothing = || None;
    let invocation = Invocation { folder: &|| Folder::Unseen, input: &nothing, without_dots: &|_| None };
    let found = find(b"/bin/busybox", &[b"/sbin/httpd", b"-f"], &invocation);
    assert_eq!(found.unwrap(), "httpd");
}

#[test]
fn a_program_from_a_pipe_is_not_a_person_at_a_terminal() {
    assert_eq!(script("/usr/bin/bash", "pipe:[4711]").as_deref(), Some("(standard input)"));
    assert_eq!(script("/usr/bin/bash|-s|arg", "/tmp/x").as_deref(), Some("(standard input)"));
    assert_eq!(script("/usr/bin/bash|-", "pipe:[4711]").as_deref(), Some("(standard input)"));
    assert_eq!(script("/usr/bin/python3|-|/ok.py", "pipe:[4711]").as_deref(), Some("(standard input)"));
    assert_eq!(script("/usr/bin/php|--|/ok.php", "pipe:[4711]").as_deref(), Some("(standard input)"));
    assert_eq!(script("/usr/bin/bash", "/dev/null"), None);
    for line in ["/usr/bin/python3|-ui|/ok.py", "/usr/bin/python3|-im|http.server", "/usr/bin/lua|-i|/ok.lua"]
    {
        let found = script(line, "pipe:[4711]").unwrap();
        assert!(found.starts_with("(unclear) -"), "{line}: {found}");
    }
    assert_eq!(script("/usr/bin/bash", "/dev/shm/x").as_deref(), Some("(standard input)"));
}

#[test]
fn the_end_of_a_line_is_part_of_what_a_text_does() {
    let text = |text: &str| script(&format!("/bin/sh|-c|{text}"), "").unwrap();
    assert_eq!(text("\n\ttrue  # was: sleep\n"), "-c true # was: sleep");
    let two = text("true # was:\nsleep");
    assert!(two.starts_with("-c true # was: sleep… sha256:"), "{two}");
    assert_eq!(two, text("\n  true # was:\n\tsleep  \n"));
    assert_ne!(two, text("true #\nwas: sleep"));
}

#[test]
fn long_inline_text_cannot_be_changed_behind_the_cut() {
    let text = |end: &str| script(&format!("/bin/sh|-c|{}{end}", "true; ".repeat(100)), "").unwrap();
    assert_ne!(text("id"), text("rm"));
    assert!(text("id").len() < 300);
}

proptest! {
    #[test]
    fn any_command_line_is_survived(args: Vec<Vec<u8>>) {
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        for exe in ["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/java", "/bin/busybox"] {
            let nothing = || None;
            let _ = find(exe.as_bytes(), &args, &Invocation { folder: &|| Folder::Unseen, input: &nothing, without_dots: &|_| None });
        }
    }
}
