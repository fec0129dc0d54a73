//! A scheduled task, as the Task Scheduler writes it below `System32\Tasks`: XML, mostly in UTF-16.

use super::command::{Command, Folders, masked};
use super::service::user;
use super::{Autorun, Kind, UNKNOWN};
use crate::text::Text;
use roxmltree::{Document, Node};

/// A longer file is none of the Task Scheduler's.
pub const LARGEST: usize = 1024 * 1024;

/// More actions than a task may have.
const MOST: usize = 64;

/// A scheduled task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// False if it never runs.
    pub enabled: bool,
    /// As whom it runs: a name or a SID, of a user or of a group.
    pub user: Option<String>,
    /// What it does.
    pub actions: Vec<Action>,
    /// What makes it run, in the words of the file: `LogonTrigger`, `CalendarTrigger`.
    pub triggers: Vec<String>,
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It starts a program with these arguments.
    Run(String, String),
    /// It calls a class by its number, with this text.
    Class(String, String),
    /// Something else, by its name in the file.
    Other(String),
}

/// Reads the file of a task.
///
/// # Errors
/// What is wrong with it.
pub fn parse_task(bytes: &[u8]) -> Result<Task, String> {
    if bytes.len() > LARGEST {
        return Err(format!("it is longer than {LARGEST} bytes"));
    }
    let text = decode(bytes);
    let document = Document::parse(&text).map_err(|error| error.to_string())?;
    let root = document.root_element();
    if root.tag_name().name() != "Task" {
        return Err("it is no task".to_owned());
    }
    let actions = child(root, "Actions");
    let context = actions.and_then(|node| node.attribute("Context"));
    let principals: Vec<Node> =
        child(root, "Principals").into_iter().flat_map(|node| children(node, "Principal")).collect();
    let principal =
        principals.iter().find(|node| node.attribute("id") == context).or(principals.first()).copied();
    let who = principal.and_then(|node| said(node, "UserId").or_else(|| said(node, "GroupId")));
    let enabled = child(root, "Settings").and_then(|node| said(node, "Enabled"));
    let elements = |node: Option<Node>| -> Vec<String> {
        let all = node.into_iter().flat_map(|node| node.children().filter(Node::is_element));
        all.take(MOST).map(|node| node.tag_name().name().to_owned()).collect()
    };
    Ok(Task {
        enabled: enabled.is_none_or(|word| !matches!(word.to_ascii_lowercase().as_str(), "false" | "0")),
        user: who,
        actions: actions
            .into_iter()
            .flat_map(|node| node.children().filter(Node::is_element))
            .take(MOST)
            .map(action)
            .collect(),
        triggers: elements(child(root, "Triggers")),
    })
}

fn action(node: Node) -> Action {
    let of = |name: &str| said(node, name).unwrap_or_default();
    match node.tag_name().name() {
        "Exec" => Action::Run(of("Command"), of("Arguments")),
        "ComHandler" => Action::Class(of("ClassId"), of("Data")),
        other => Action::Other(other.to_owned()),
    }
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

fn said(node: Node, name: &str) -> Option<String> {
    let element = node.children().find(|child| child.is_element() && child.tag_name().name() == name)?;
    // A text may be cut into pieces by comments and sections.
    let text: String = element.children().filter(Node::is_text).filter_map(|piece| piece.text()).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn decode(bytes: &[u8]) -> String {
    let units = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What a host is asked to tell more of a task than its file does.
pub struct Asking<'a> {
    /// Its folders.
    pub folders: &'a Folders,
    /// Whether a file is there.
    pub is_file: &'a dyn Fn(&str) -> bool,
    /// The name behind a SID.
    pub name_of: &'a dyn Fn(&str) -> Option<String>,
    /// The library that brings a class.
    pub library_of: &'a dyn Fn(&str) -> Option<String>,
}

/// What a task that is enabled starts: one for each of its actions.
#[must_use]
pub fn autoruns(name: &str, place: &str, task: &Task, ask: &Asking) -> Vec<Autorun> {
    if !task.enabled {
        return Vec::new();
    }
    let who = task.user.as_deref().map(|who| {
        let known = user(who);
        let is_sid = known.starts_with("S-1-");
        let name = if is_sid { (ask.name_of)(who) } else { None };
        name.map_or(known, Text::new)
    });
    let autorun = |action: &Action| {
        let (command, library) = match action {
            Action::Run(command, arguments) => (run(command, arguments, ask), None),
            Action::Class(class, data) => {
                let library = (ask.library_of)(class);
                let library = library.map(|path| Text::new(ask.folders.path(&ask.folders.expand(&path))));
                let exe = format!("class:{}", class.to_ascii_lowercase());
                (Command { exe, arguments: data.clone(), unquoted: false }, library)
            }
            Action::Other(what) => {
                let exe = format!("{UNKNOWN} {what}");
                (Command { exe, ..Command::default() }, None)
            }
        };
        Autorun {
            kind: Kind::Task,
            name: Text::new(name),
            exe: command.exe(),
            arguments: masked(&command.arguments),
            library,
            user: who.clone(),
            hidden: false,
            start: (!task.triggers.is_empty()).then(|| Text::new(task.triggers.join(", "))),
            place: Text::new(place),
            unquoted: command.unquoted,
        }
    };
    task.actions.iter().map(autorun).collect()
}

/// The Task Scheduler takes the whole command for the file, with or without quotes.
fn run(command: &str, arguments: &str, ask: &Asking) -> Command {
    let file = command.trim().trim_matches('"');
    let quoted = format!("\"{file}\"");
    let arguments = ask.folders.expand(arguments);
    Command { arguments, ..ask.folders.command(&quoted, ask.is_file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.4" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger><CalendarTrigger/></Triggers>
  <Principals>
    <Principal id="Other"><UserId>S-1-5-18</UserId></Principal>
    <Principal id="Author"><UserId>S-1-5-21-1-2-3-1001</UserId><RunLevel>HighestAvailable</RunLevel></Principal>
  </Principals>
  <Settings><Hidden>true</Hidden><Enabled>true</Enabled></Settings>
  <Actions Context="Author">
    <Exec><Command>%windir%\system32\cmd.exe</Command><Arguments>/c "a &amp; b" --password hunter2</Arguments></Exec>
    <ComHandler><ClassId>{AAAAAAAA-0000-0000-0000-000000000001}</ClassId><Data>x</Data></ComHandler>
    <ShowMessage><Title>t</Title></ShowMessage>
  </Actions>
</Task>"#;

    fn ask(task: &Task) -> Vec<String> {
        let asking = Asking {
            folders: &Folders::of(r"C:\Windows"),
            is_file: &|path| path == r"C:\Windows\system32\cmd.exe",
            name_of: &|sid| Some(format!(r"WEB1\user of {sid}")),
            library_of: &|_| Some(r"%SystemRoot%\System32\x.dll".to_owned()),
        };
        let line = |a: &Autorun| {
            let (library, user) = (a.library.as_deref().unwrap_or("-"), a.user.as_deref().unwrap_or("-"));
            format!("{} {} [{}] {library} {user}", a.name, a.exe, a.arguments)
        };
        autoruns(r"\Acme\Job", "file", task, &asking).iter().map(line).collect()
    }

    #[test]
    fn a_task_is_read_in_either_encoding() {
        let narrow = parse_task(TASK.as_bytes()).unwrap();
        let wide: Vec<u8> =
            [0xfeff].into_iter().chain(TASK.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(parse_task(&wide).unwrap(), narrow);
        assert_eq!(narrow.triggers, ["LogonTrigger", "CalendarTrigger"]);
        assert_eq!(
            ask(&narrow),
            [
                r#"\Acme\Job C:\Windows\system32\cmd.exe [/c "a & b" --password ***] - WEB1\user of S-1-5-21-1-2-3-1001"#,
                r"\Acme\Job class:{aaaaaaaa-0000-0000-0000-000000000001} [x] C:\Windows\System32\x.dll WEB1\user of S-1-5-21-1-2-3-1001",
                r"\Acme\Job (unknown) ShowMessage [] - WEB1\user of S-1-5-21-1-2-3-1001",
            ]
        );
    }

    #[test]
    fn a_disabled_task_starts_nothing() {
        let task = parse_task(
            TASK.replace("<Enabled>true</Enabled></Settings>", "<Enabled>false</Enabled></Settings>")
                .as_bytes(),
        );
        assert_eq!(ask(&task.unwrap()), Vec::<String>::new());
    }

    #[test]
    fn what_is_no_task_is_an_error() {
        for (text, error) in [
            ("", "the document does not have a root node"),
            ("<Task", "the document does not have a root node"),
            ("<a/>", "it is no task"),
            ("<!DOCTYPE x [<!ENTITY a \"b\">]><Task>&a;</Task>", "XML with DTD detected"),
        ] {
            assert_eq!(parse_task(text.as_bytes()), Err(error.to_owned()), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_task_or_an_error(bytes: Vec<u8>) {
            let _ = parse_task(&bytes);
        }
    }
}
